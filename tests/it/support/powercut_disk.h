/*
 * The disk of powercut.c: which files the directory has, what of them it holds, and what an fsync puts there. The model
 * is told in powercut.c; this is a part of it, in a file of its own for its size.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SECTOR 512

_Static_assert(sizeof(off_t) == 8, "off_t and off64_t must be the same for the two names of each call to be");

struct file {
    dev_t dev;
    ino_t ino;
    int real;         /* The file, to read. Never closed: that would drop its locks, and free its number. */
    int disk;         /* Its contents on the disk. */
    char content[40]; /* Their name in contents/. */
    off_t from, to;   /* Whatever may differ from the disk lies in here. */
    struct file *next;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* Held over every call on a file of the directory. */
static struct file *files;
static char root[PATH_MAX];
static struct stat root_stat;
static int root_dir, names_dir, contents_dir;
static bool real_fsync_too;
static uint64_t luck; /* State of xorshift; 0 without a seed. */

/* The calls of the C library behind ours. */
#define CALLS(each)                                                                                                \
    each(openat) each(write) each(pwrite) each(writev) each(pwritev) each(pwritev2) each(ftruncate) each(truncate) \
    each(fallocate) each(posix_fallocate) each(fsync) each(fdatasync) each(mmap) each(sendfile)                    \
    each(copy_file_range) each(splice)
#define DECLARE(call) static __typeof__(call) *real_##call;
CALLS(DECLARE)

static _Noreturn void die(const char *about, const char *what)
{
    dprintf(2, "powercut: %s: %s%s%s\n", about, what, errno ? ": " : "", errno ? strerror(errno) : "");
    abort();
}

/* What the model does not cover must not look as if it held. */
static _Noreturn void die_unfollowed(const char *about, const char *what)
{
    errno = 0;
    die(about, what);
}

/* ---- What is known of the files ---- */

static uint64_t draw(uint64_t below)
{
    luck ^= luck << 13;
    luck ^= luck >> 7;
    luck ^= luck << 17;
    return (luck >> 11) % below;
}

static struct file *find(const struct stat *stat)
{
    struct file *file = files;
    while (file && (file->ino != stat->st_ino || file->dev != stat->st_dev)) file = file->next;
    return file;
}

static void differs(struct file *file, off_t from, off_t to)
{
    if (from >= to) return;
    bool equal = file->from == file->to;
    if (equal || from < file->from) file->from = from;
    if (equal || to > file->to) file->to = to;
}

/* Begins to follow a file, of which `real` is a descriptor for reading. The disk has its contents under the inode's
 * number, from an earlier process on the directory; or, the first time after a cut, under its name only. */
static struct file *follow(int real, const struct stat *stat, const char *name, bool existed)
{
    struct stat named;
    struct file *file = calloc(1, sizeof *file);
    if (!file || real < 0) die(name, "cannot be read");
    file->dev = stat->st_dev;
    file->ino = stat->st_ino;
    file->real = real;
    snprintf(file->content, sizeof file->content, "%lx-%lu", (unsigned long)stat->st_dev, (unsigned long)stat->st_ino);
    /* A new file may have got the number of one that an earlier process removed. */
    if (!existed) unlinkat(contents_dir, file->content, 0);
    else if (fstatat(names_dir, name, &named, 0) == 0 && named.st_nlink == 1)
        linkat(names_dir, name, contents_dir, file->content, 0);
    file->disk = real_openat(contents_dir, file->content, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file->disk < 0) die(name, "cannot be kept on the disk");
    /* What an earlier process left unsynced nobody knows. */
    differs(file, 0, stat->st_size);
    file->next = files;
    files = file;
    return file;
}

/* Begins to follow a file that the directory has already, or that was moved into it. */
static struct file *follow_found(const char *name, const struct stat *stat)
{
    if (!S_ISREG(stat->st_mode)) die_unfollowed(name, "is no plain file");
    return follow(real_openat(root_dir, name, O_RDONLY | O_CLOEXEC), stat, name, true);
}

/* ---- The disk ---- */

/* Puts these bytes of the file on the disk, as far as the file goes. */
static void reach_disk(struct file *file, off_t from, off_t to)
{
    char bytes[1 << 16];
    while (from < to) {
        size_t most = to - from < (off_t)sizeof bytes ? (size_t)(to - from) : sizeof bytes;
        ssize_t got = pread(file->real, bytes, most, from);
        if (got < 0) die(file->content, "cannot be read back");
        if (got == 0) return;
        if (real_pwrite(file->disk, bytes, got, from) != got) die(file->content, "the disk takes no more");
        from += got;
    }
}

static void sync_content(struct file *file)
{
    struct stat stat;
    if (fstat(file->real, &stat) != 0) die(file->content, "has no size");
    reach_disk(file, file->from, file->to);
    if (real_ftruncate(file->disk, stat.st_size) != 0) die(file->content, "cannot be cut to its size");
    if (fchmod(file->disk, stat.st_mode & 07777) != 0) die(file->content, "has no mode");
    file->from = file->to = 0;
}

/* Gives the name on the disk to the contents of the file that has it now. */
static void sync_name(const char *name, const struct stat *stat)
{
    struct stat now, disk;
    struct file *file = find(stat);
    if (!file) file = follow_found(name, stat);
    if (fstat(file->disk, &disk) != 0) die(name, "is not on the disk");
    if (fstatat(names_dir, name, &now, AT_SYMLINK_NOFOLLOW) == 0 && now.st_ino == disk.st_ino) return;
    /* Renamed over the old one in one step, so that a kill leaves the one or the other. */
    unlinkat(contents_dir, "link", 0);
    if (linkat(contents_dir, file->content, contents_dir, "link", 0) != 0
        || renameat(contents_dir, "link", names_dir, name) != 0)
        die(name, "cannot be named on the disk");
}

/* Calls `visit` with each name in a directory. */
static void each_name(int dir, void (*visit)(const char *))
{
    int again = real_openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = again < 0 ? NULL : fdopendir(again);
    if (!list) die("a directory", "cannot be listed");
    for (struct dirent *entry; (entry = readdir(list));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) visit(entry->d_name);
    closedir(list);
}

static void name_if_there(const char *name)
{
    struct stat stat;
    if (fstatat(root_dir, name, &stat, AT_SYMLINK_NOFOLLOW) == 0) sync_name(name, &stat);
}

static void unname_if_gone(const char *name)
{
    if (faccessat(root_dir, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0) unlinkat(names_dir, name, 0);
}

/* New names first: a renamed file then has two names for a moment, never none. */
static void sync_names(void)
{
    each_name(root_dir, name_if_there);
    each_name(names_dir, unname_if_gone);
}

/* A disk may take a write before it is asked to, and only a part of it. */
static void maybe_reach_disk(struct file *file, off_t from, off_t to)
{
    if (!luck || draw(4) != 0) return;
    off_t first = from / SECTOR, last = (to + SECTOR - 1) / SECTOR;
    if (draw(2) == 0) {
        first += draw(last - first);
        last = first + 1 + draw(last - first);
    }
    reach_disk(file, first * SECTOR, last * SECTOR);
    if (draw(16) == 0) sync_names();
}

static void written(struct file *file, off_t from, ssize_t length)
{
    differs(file, from, from + length);
    maybe_reach_disk(file, from, from + length);
}

/* ---- Start ---- */

static void *find_real(const char *name)
{
    void *real = dlsym(RTLD_NEXT, name);
    if (!real) die(name, "the C library has no such call");
    return real;
}

static int open_part(const char *image, const char *part)
{
    char path[PATH_MAX + 16];
    snprintf(path, sizeof path, "%s/%s", image, part);
    if (mkdir(path, 0700) != 0 && errno != EEXIST) die(path, "cannot be made");
    int dir = real_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) die(path, "cannot be opened");
    return dir;
}

#define FIND(call) real_##call = find_real(#call);

static void follow_by_name(const char *name)
{
    struct stat stat;
    if (fstatat(root_dir, name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && !find(&stat)) follow_found(name, &stat);
}

static void start(void)
{
    CALLS(FIND)

    const char *dir = getenv("POWERCUT_DIR"), *image = getenv("POWERCUT_IMAGE"), *seed = getenv("POWERCUT_SEED");
    if (!dir || !realpath(dir, root)) die("POWERCUT_DIR", "names no directory");
    if (!image) die("POWERCUT_IMAGE", "is not set");
    root_dir = real_openat(AT_FDCWD, root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root_dir < 0 || fstat(root_dir, &root_stat) != 0) die(root, "cannot be opened");
    names_dir = open_part(image, "names");
    contents_dir = open_part(image, "contents");
    real_fsync_too = getenv("POWERCUT_REAL_FSYNC") != NULL;
    each_name(root_dir, follow_by_name);
    /* Spread, so that seeds beside each other differ from the first draw on; never 0, which xorshift would stay at. */
    if (seed) luck = (strtoull(seed, NULL, 10) + 1) * 0x9E3779B97F4A7C15u | 1;
}

__attribute__((constructor)) static void ready(void) { pthread_once(&once, start); }

/* ---- A call's file ---- */

/* Whether the descriptor is of a file in the directory, and its name there. */
static bool inside(int fd, char name[PATH_MAX])
{
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    size_t root_length = strlen(root);
    if (length < 0) die(link, "cannot be read");
    path[length] = 0;
    if (strncmp(path, root, root_length) != 0 || path[root_length] != '/') return false;
    strcpy(name, path + root_length + 1);
    if (strchr(name, '/')) die_unfollowed(path, "is below the directory; only files directly in it are followed");
    return true;
}

/* Takes the lock and returns the file, or neither if the descriptor is not of a file in the directory. */
static struct file *lock_file(int fd)
{
    struct stat stat;
    char name[PATH_MAX];
    ready();
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) return NULL;
    pthread_mutex_lock(&lock);
    struct file *file = find(&stat);
    if (file) return file;
    if (inside(fd, name)) die_unfollowed(name, "was opened past the shim");
    pthread_mutex_unlock(&lock);
    return NULL;
}

static void unlock(void) { pthread_mutex_unlock(&lock); }

static off_t size_of(int fd)
{
    struct stat stat;
    if (fstat(fd, &stat) != 0) die("a file of the directory", "has no size");
    return stat.st_size;
}
