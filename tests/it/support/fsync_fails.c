/*
 * A disk that fails: from when the file $FSYNC_FAILS_FROM is there, every fsync and fdatasync answers EIO. Preloaded
 * (LD_PRELOAD) into a process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int failing(void)
{
    const char *from = getenv("FSYNC_FAILS_FROM");
    return from && access(from, F_OK) == 0;
}

static int sync_fd(const char *name, int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    if (!failing()) return real(fd);
    errno = EIO;
    return -1;
}

int fsync(int fd) { return sync_fd("fsync", fd); }
int fdatasync(int fd) { return sync_fd("fdatasync", fd); }
