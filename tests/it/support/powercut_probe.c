/*
 * Does to files what its arguments say, a step each, in the folder that it is started in; then writes a dot to stdout
 * and waits to be killed. A step that fails ends it with 1. Only what powercut_shim.rs needs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int fd = -1; /* The file that steps are about. */

static int sync_names(void)
{
    int dir = open(".", O_RDONLY | O_DIRECTORY);
    int result = fsync(dir);
    close(dir);
    return result;
}

static int fill(int sectors) /* One write a sector: 512 times "a", then "b", and so on. */
{
    char sector[512];
    for (int n = 0; n < sectors; n++) {
        memset(sector, 'a' + n % 26, sizeof sector);
        if (write(fd, sector, sizeof sector) != sizeof sector) return -1;
    }
    return 0;
}

static int map(void)
{
    char *bytes = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    return bytes == MAP_FAILED ? -1 : (bytes[0] = 'm', 0);
}

static int gather(const char *text)
{
    struct iovec parts[2] = {{(char *)text, 1}, {(char *)text + 1, strlen(text) - 1}};
    return writev(fd, parts, 2);
}

static int step(const char *verb, const char *a, const char *b)
{
    if (!strcmp(verb, "open")) return fd = open(a, O_RDWR | O_CREAT, 0640);
    if (!strcmp(verb, "empty")) return fd = creat(a, 0600);
    if (!strcmp(verb, "append")) return fd = open(a, O_WRONLY | O_APPEND);
    if (!strcmp(verb, "dup")) return fd = dup(fd);
    if (!strcmp(verb, "put")) return write(fd, a, strlen(a));
    if (!strcmp(verb, "gather")) return gather(a);
    if (!strcmp(verb, "at")) return pwrite(fd, b, strlen(b), atoi(a));
    if (!strcmp(verb, "fill")) return fill(atoi(a));
    if (!strcmp(verb, "size")) return ftruncate(fd, atoi(a));
    if (!strcmp(verb, "sync")) return fsync(fd);
    if (!strcmp(verb, "names")) return sync_names();
    if (!strcmp(verb, "rename")) return rename(a, b);
    if (!strcmp(verb, "unlink")) return unlink(a);
    if (!strcmp(verb, "mkdir")) return mkdir(a, 0700);
    if (!strcmp(verb, "map")) return map();
    if (!strcmp(verb, "truncate")) return truncate(a, 0);
    if (!strcmp(verb, "punch")) return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1);
    if (!strcmp(verb, "copy")) return copy_file_range(open(a, O_RDONLY), NULL, fd, NULL, 1, 0);
    return -1;
}

int main(int count, char **steps)
{
    for (int n = 1; n < count; n++) {
        char *verb = strtok(steps[n], " "), *a = strtok(NULL, " "), *b = strtok(NULL, " ");
        if (step(verb, a, b) < 0) return perror(verb), 1;
    }
    if (write(1, ".", 1) != 1) return 1;
    for (;;) pause();
}
