/*
 * A host whose mounts are told as the file $MOUNTINFO has them. Preloaded (LD_PRELOAD) into a process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define OPEN(call)                                                                          \
    int call(const char *path, int flags, ...)                                              \
    {                                                                                       \
        int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #call); \
        const char *told = getenv("MOUNTINFO");                                             \
        va_list more;                                                                       \
        va_start(more, flags);                                                              \
        mode_t mode = va_arg(more, mode_t);                                                 \
        va_end(more);                                                                       \
        return real(told && strcmp(path, "/proc/self/mountinfo") == 0 ? told : path, flags, mode); \
    }
OPEN(open) OPEN(open64)
