/*
 * A disk that fails: from when the file $FSYNC_FAILS_FROM is there, fsync and fdatasync of files whose path ends in
 * $FSYNC_FAILS_ON (of all, if it is not set) answer EIO. Preloaded (LD_PRELOAD) into a process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int failing(int fd)
{
    const char *from = getenv("FSYNC_FAILS_FROM"), *on = getenv("FSYNC_FAILS_ON");
    if (!from || access(from, F_OK) != 0) return 0;
    if (!on) return 1;
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < (ssize_t)strlen(on)) return 0;
    path[length] = 0;
    return strcmp(path + length - strlen(on), on) == 0;
}

static int sync_fd(const char *name, int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    if (!failing(fd)) return real(fd);
    errno = EIO;
    return -1;
}

int fsync(int fd) { return sync_fd("fsync", fd); }
int fdatasync(int fd) { return sync_fd("fdatasync", fd); }
