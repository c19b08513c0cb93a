/*
 * A kernel in a hurry: a peer that acknowledges nothing is given up after a fifteenth of the time that it was told
 * (TCP_USER_TIMEOUT). Preloaded (LD_PRELOAD) into a process.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

typedef int setter(int, int, int, const void *, socklen_t);

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
    setter *real = (setter *)dlsym(RTLD_NEXT, "setsockopt");
    if (level != IPPROTO_TCP || name != TCP_USER_TIMEOUT || length != sizeof(unsigned)) {
        return real(fd, level, name, value, length);
    }
    unsigned hasty = *(const unsigned *)value / 15;
    return real(fd, level, name, &hasty, length);
}
