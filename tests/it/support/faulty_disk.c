/*
 * A disk that fails as it is told: while the file $FAULTY_DISK is there, its line says how. Preloaded (LD_PRELOAD) into a
 * process.
 *
 *   CALLS FILES FAULT [FIRST [NUMBER]]      such as:  sync *lumen.db EIO 1 1
 *
 *   CALLS   sync: fsync, fdatasync. write: what writes, and what makes a file longer.
 *   FILES   a pattern of fnmatch(3) for the whole path
 *   FAULT   EIO, ENOSPC   the call fails so; without room a file can still be made longer by a hole
 *           SHORT         a write takes only a half, and says so
 *           TORN          a write takes only a half, and the process is killed
 *           KILL          the process is killed before the call
 *           HOLD          the call waits until the line says something else, and then does that; while one waits, the
 *                         file $FAULTY_DISK.held is there
 *   FIRST   the first call that fails, counted from 1 since the process knows the line
 *   NUMBER  so many fail, and then the disk works again; without it, all
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum fault { NONE, FAIL, SHORT, TORN };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char known[512]; /* The line that is counted for. */
static unsigned long calls;

static void read_line(char line[sizeof known])
{
    const char *path = getenv("FAULTY_DISK");
    line[0] = 0;
    FILE *file = path ? fopen(path, "re") : NULL;
    if (!file) return;
    if (!fgets(line, sizeof known, file)) line[0] = 0;
    fclose(file);
}

static bool path_of(int fd, char path[PATH_MAX])
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0 || path[0] != '/') return false;
    path[length] = 0;
    return true;
}

static void say_held(void)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s.held", getenv("FAULTY_DISK"));
    FILE *file = fopen(path, "we");
    if (file) fclose(file);
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

/* What the line wants of this call; sets errno where it is to fail. */
static enum fault told(const char *call, int fd)
{
    char line[sizeof known], path[PATH_MAX], calls_told[16], files[256], fault[16];
    for (;; usleep(1000)) {
        unsigned long first = 1, number = 0;
        read_line(line);
        if (sscanf(line, "%15s %255s %15s %lu %lu", calls_told, files, fault, &first, &number) < 3) return NONE;
        if (strcmp(calls_told, call) != 0 || !path_of(fd, path) || fnmatch(files, path, 0) != 0) return NONE;
        if (strcmp(fault, "HOLD") == 0) {
            say_held();
            continue;
        }
        pthread_mutex_lock(&lock);
        if (strcmp(known, line) != 0) {
            strcpy(known, line);
            calls = 0;
        }
        unsigned long nth = ++calls;
        pthread_mutex_unlock(&lock);
        if (nth < first || (number && nth >= first + number)) return NONE;
        if (strcmp(fault, "SHORT") == 0) return SHORT;
        if (strcmp(fault, "TORN") == 0) return TORN;
        if (strcmp(fault, "KILL") == 0) die();
        errno = strcmp(fault, "ENOSPC") == 0 ? ENOSPC : EIO;
        return FAIL;
    }
}

#define REAL(call) static __typeof__(call) *real; if (!real) real = (__typeof__(call) *)dlsym(RTLD_NEXT, #call)

#define SYNC(call)                                                  \
    int call(int fd)                                                \
    {                                                               \
        REAL(call);                                                 \
        return told("sync", fd) != NONE ? -1 : real(fd);            \
    }
SYNC(fsync) SYNC(fdatasync)

/* `part` is the call with a half of its bytes. */
#define WRITE(call, parameters, whole, part)                        \
    ssize_t call parameters                                         \
    {                                                               \
        REAL(call);                                                 \
        enum fault fault = told("write", fd);                       \
        if (fault == FAIL) return -1;                               \
        if (fault == NONE) return real whole;                       \
        ssize_t done = real part;                                   \
        if (fault == TORN) die();                                   \
        return done;                                                \
    }
#define HALF (count > 1 ? count / 2 : count)
WRITE(write, (int fd, const void *from, size_t count), (fd, from, count), (fd, from, HALF))
WRITE(pwrite, (int fd, const void *from, size_t count, off_t at), (fd, from, count, at), (fd, from, HALF, at))
WRITE(pwrite64, (int fd, const void *from, size_t count, off_t at), (fd, from, count, at), (fd, from, HALF, at))
WRITE(writev, (int fd, const struct iovec *from, int count), (fd, from, count), (fd, from, HALF))

#define LENGTH(call, parameters, arguments, failed)                 \
    int call parameters                                             \
    {                                                               \
        REAL(call);                                                 \
        return told("write", fd) == FAIL ? (failed) : real arguments; \
    }
LENGTH(ftruncate, (int fd, off_t size), (fd, size), errno == ENOSPC ? real(fd, size) : -1)
LENGTH(ftruncate64, (int fd, off_t size), (fd, size), errno == ENOSPC ? real(fd, size) : -1)
LENGTH(fallocate, (int fd, int mode, off_t at, off_t size), (fd, mode, at, size), -1)
LENGTH(posix_fallocate, (int fd, off_t at, off_t size), (fd, at, size), errno)
