/*
 * A disk that loses power: keeps beside a directory what its disk would hold, which is what was fsynced and nothing
 * else. Preloaded (LD_PRELOAD) into a process, that is then killed; powercut.rs puts the disk in the directory's place.
 *
 *   POWERCUT_DIR         the directory, which is there, with plain files only
 *   POWERCUT_IMAGE       the disk: names/ has the files that a cut leaves, contents/ each file's bytes by its inode
 *   POWERCUT_SEED        optional; some writes then reach the disk unasked, whole or torn, in any order
 *   POWERCUT_REAL_FSYNC  optional; asks the real disk too
 *   POWERCUT_DEAF        optional; an fsync of a file whose name begins so is answered and does nothing: to the disk
 *                        that is what SQLite's synchronous=OFF comes to, and a harness must see the losses
 *
 * The model, no kinder than POSIX:
 *
 * - fsync or fdatasync of a file makes its bytes and its length durable. It does not make its name durable.
 * - fsync of the directory makes its names durable as they stand: files made, renamed and removed. A name whose file
 *   was never synced is then an empty file.
 * - sync_file_range, sync, syncfs, msync, O_SYNC and closing a file make nothing durable.
 * - With a seed one write in four reaches the disk at once, in sectors of 512 bytes: half of those whole, half only a
 *   run of their sectors; and one in sixteen of those takes the names along.
 * - Killed in the middle of an fsync, the process leaves a part of it on the disk.
 *
 * A file is known by its inode, not by its descriptor: closing, dup and a number used again need no bookkeeping, and
 * renaming and unlinking show when the directory is synced. Whatever would change a file past the shim ends the process
 * with a line on stderr. Two ways are not seen: system calls made without the C library and the library's own stdio;
 * what they write counts as not synced, so that they make losses, never a false safety. A process may also start on a
 * directory that was not cut: it takes all bytes that it finds for not yet synced, since it cannot know.
 *
 * powercut_disk.h keeps the disk; here are the calls between the process and it.
 */
#include "powercut_disk.h"

/* ---- Open ---- */

static void opened(int fd, int flags, bool existed, off_t size_before)
{
    struct stat stat;
    char name[PATH_MAX], link[32];
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) return;
    struct file *file = find(&stat);
    if (!file) {
        if (!inside(fd, name)) return;
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        file = follow(real_openat(AT_FDCWD, link, O_RDONLY | O_CLOEXEC), &stat, name, existed);
    }
    if (flags & O_TRUNC) differs(file, 0, size_before);
}

static int open_and_follow(int dir, const char *path, int flags, mode_t mode)
{
    struct stat before;
    ready();
    /* Opening a pipe may wait for its other end. */
    if (fstatat(dir, path, &before, 0) == 0 && !S_ISREG(before.st_mode)) return real_openat(dir, path, flags, mode);
    pthread_mutex_lock(&lock);
    bool existed = fstatat(dir, path, &before, 0) == 0;
    int fd = real_openat(dir, path, flags, mode);
    int fault = errno;
    if (fd >= 0) opened(fd, flags, existed, existed ? before.st_size : 0);
    unlock();
    errno = fault;
    return fd;
}

int open(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    return open_and_follow(AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    mode_t mode = va_arg(more, mode_t);
    va_end(more);
    return open_and_follow(dir, path, flags, mode);
}

int creat(const char *path, mode_t mode) { return open_and_follow(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* What a compiler that fortifies makes of an open without a mode. */
int __open_2(const char *path, int flags) { return open_and_follow(AT_FDCWD, path, flags, 0); }
int __openat_2(int dir, const char *path, int flags) { return open_and_follow(dir, path, flags, 0); }

/* The second name that a call has for 64-bit offsets, which all are. */
#define ALSO(twin, call) extern __typeof__(call) twin __attribute__((alias(#call)));
ALSO(open64, open) ALSO(openat64, openat) ALSO(creat64, creat) ALSO(__open64_2, __open_2) ALSO(__openat64_2, __openat_2)

/* ---- Write ---- */

/* A write at the descriptor's own place, which is then behind it, also when it appends. */
#define WRITE(name, type, count_type)                                                         \
    ssize_t name(int fd, const type *from, count_type count)                                  \
    {                                                                                         \
        struct file *file = lock_file(fd);                                                    \
        ssize_t done = real_##name(fd, from, count);                                          \
        if (file && done > 0) written(file, lseek(fd, 0, SEEK_CUR) - done, done);             \
        if (file) unlock();                                                                   \
        return done;                                                                          \
    }
/* A write at a given place, which Linux passes over when the descriptor appends. */
#define PWRITE(name, type, count_type)                                                        \
    ssize_t name(int fd, const type *from, count_type count, off_t at)                        \
    {                                                                                         \
        struct file *file = lock_file(fd);                                                    \
        if (file && fcntl(fd, F_GETFL) & O_APPEND) die_unfollowed(#name, "on an O_APPEND file"); \
        ssize_t done = real_##name(fd, from, count, at);                                      \
        if (file && done > 0) written(file, at, done);                                        \
        if (file) unlock();                                                                   \
        return done;                                                                          \
    }
WRITE(write, void, size_t) WRITE(writev, struct iovec, int)
PWRITE(pwrite, void, size_t) PWRITE(pwritev, struct iovec, int)
ALSO(pwrite64, pwrite) ALSO(pwritev64, pwritev)

/* Ends the process if the call would write to a file of the directory in a way that is not followed. */
static void refuse(int fd, const char *call)
{
    if (lock_file(fd)) die_unfollowed(call, "writes to a file of the directory and is not followed");
}

#define REFUSED(call, to, parameters, arguments) \
    ssize_t call parameters                      \
    {                                            \
        refuse(to, #call);                       \
        return real_##call arguments;            \
    }
REFUSED(pwritev2, to, (int to, const struct iovec *from, int count, off_t at, int flags), (to, from, count, at, flags))
REFUSED(sendfile, to, (int to, int from, off_t *at, size_t count), (to, from, at, count))
REFUSED(copy_file_range, to, (int from, off_t *from_at, int to, off_t *at, size_t count, unsigned flags),
        (from, from_at, to, at, count, flags))
REFUSED(splice, to, (int from, off_t *from_at, int to, off_t *at, size_t count, unsigned flags),
        (from, from_at, to, at, count, flags))

/* Reading through memory is no one's business; SQLite's -shm is written through it, and is meant to be lost. */
void *mmap(void *address, size_t length, int access, int flags, int fd, off_t at)
{
    char name[PATH_MAX];
    ready();
    if (fd >= 0 && (access & PROT_WRITE) && (flags & MAP_TYPE) != MAP_PRIVATE && lock_file(fd)) {
        bool shm = inside(fd, name) && strlen(name) > 4 && strcmp(name + strlen(name) - 4, "-shm") == 0;
        if (!shm) die_unfollowed(name, "is written through memory, which is not followed");
        unlock();
    }
    return real_mmap(address, length, access, flags, fd, at);
}

ALSO(pwritev64v2, pwritev2) ALSO(sendfile64, sendfile) ALSO(mmap64, mmap)

/* ---- Length and sync ---- */

/* A call that may move the end of the file, after which what lies between the two ends differs. */
#define RESIZE(call)                                                        \
    struct file *file = lock_file(fd);                                      \
    if (!file) return call;                                                 \
    off_t before = size_of(fd);                                             \
    int result = call, fault = errno;                                       \
    off_t after = size_of(fd);                                              \
    differs(file, before < after ? before : after, before < after ? after : before); \
    unlock();                                                               \
    errno = fault;                                                          \
    return result;

int ftruncate(int fd, off_t size) { RESIZE(real_ftruncate(fd, size)) }
int posix_fallocate(int fd, off_t at, off_t size) { RESIZE(real_posix_fallocate(fd, at, size)) }

int fallocate(int fd, int mode, off_t at, off_t size)
{
    if (mode & ~FALLOC_FL_KEEP_SIZE) refuse(fd, "fallocate with holes or moves");
    RESIZE(real_fallocate(fd, mode, at, size))
}

int truncate(const char *path, off_t size)
{
    ready();
    int fd = real_openat(AT_FDCWD, path, O_PATH | O_CLOEXEC);
    char name[PATH_MAX];
    if (fd >= 0 && inside(fd, name)) die_unfollowed(name, "is truncated by its path, which is not followed");
    if (fd >= 0) close(fd);
    return real_truncate(path, size);
}

ALSO(ftruncate64, ftruncate) ALSO(truncate64, truncate)
ALSO(fallocate64, fallocate) ALSO(posix_fallocate64, posix_fallocate)

static bool is_deaf(int fd)
{
    const char *deaf = getenv("POWERCUT_DEAF");
    char name[PATH_MAX];
    return deaf && inside(fd, name) && strncmp(name, deaf, strlen(deaf)) == 0;
}

/* The real disk first: what it did not take is not on ours either. */
static int sync_fd(int fd, int (**real)(int))
{
    struct stat stat;
    ready();
    bool directory = fstat(fd, &stat) == 0 && stat.st_ino == root_stat.st_ino && stat.st_dev == root_stat.st_dev;
    struct file *file = directory ? NULL : lock_file(fd);
    if (file) unlock();
    if (file && is_deaf(fd)) return 0;
    if ((!directory && !file) || real_fsync_too) {
        int result = (*real)(fd);
        if (result != 0 || (!directory && !file)) return result;
    }
    pthread_mutex_lock(&lock);
    if (directory) sync_names();
    else sync_content(file);
    unlock();
    return 0;
}

int fsync(int fd) { return sync_fd(fd, &real_fsync); }
int fdatasync(int fd) { return sync_fd(fd, &real_fdatasync); }
