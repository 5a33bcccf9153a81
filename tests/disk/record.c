/* Writes down what a process does to files below a folder, for tests/disk/disk.py.
 *
 * Loaded with LD_PRELOAD.  DISK_ROOT names the folder (canonical), DISK_JOURNAL the file
 * that records are appended to.  A write and its record happen under one lock, so that the
 * order of the records is the order of the writes; a sync is recorded after it has ended,
 * so that a record of it is a promise.  Files are told apart by inode.  Standard output is
 * recorded where it is a file below the folder: what a process says has its place in the order.
 *
 * Memory maps are not seen: SQLite's shared index is one, and it is made anew after a crash.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS 65536

struct head {
    char op;
    char zero[7];
    uint64_t inode;
    int64_t at;
    uint64_t length;
};

static pthread_mutex_t lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int journal = -1;
static char root[PATH_MAX];
static size_t root_length;
static uint64_t watched[FDS];

#define MAKES(flags) (((flags) & O_CREAT) || ((flags) & O_TMPFILE) == O_TMPFILE)

#define REAL(name, type, ...)                                                         \
    static type (*real)(__VA_ARGS__);                                                 \
    if (real == NULL) real = (type (*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int inside(const char *path)
{
    return journal >= 0 && strncmp(path, root, root_length) == 0 &&
           (path[root_length] == '/' || path[root_length] == 0);
}

static void let_go(void) { pthread_mutex_init(&lock, NULL); }

__attribute__((constructor)) static void begin(void)
{
    const char *folder = getenv("DISK_ROOT"), *path = getenv("DISK_JOURNAL");
    if (folder == NULL || path == NULL) return;
    REAL("open", int, const char *, int, ...);
    root_length = strlen(folder);
    if (root_length >= sizeof root) abort();
    memcpy(root, folder, root_length + 1);
    journal = real(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0) abort();
    struct stat found;
    char where[PATH_MAX];
    ssize_t length = readlink("/proc/self/fd/1", where, sizeof where - 1);
    if (length > 0) {
        where[length] = 0;
        if (inside(where) && fstat(1, &found) == 0) watched[1] = found.st_ino;
    }
    pthread_atfork(NULL, NULL, let_go);
}

static void note(char op, uint64_t inode, int64_t at, const void *data, size_t length)
{
    struct head head = {op, {0}, inode, at, length};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, length}};
    REAL("writev", ssize_t, int, const struct iovec *, int);
    int before = errno;
    if (real(journal, parts, 2) != (ssize_t)(sizeof head + length)) abort();
    errno = before;
}

/* Inode of a descriptor that was opened below the folder; 0 for any other. */
static uint64_t inode_of(int fd)
{
    struct stat found;
    if (journal < 0 || fd < 0 || fd >= FDS || watched[fd] == 0) return 0;
    if (fstat(fd, &found) != 0 || found.st_ino != watched[fd]) return 0;
    return found.st_ino;
}

static int opened(int fd, const char *path, int flags, int fresh)
{
    struct stat found;
    if (journal < 0 || fd < 0 || fd >= FDS) return fd;
    watched[fd] = 0;
    if (!inside(path) || fstat(fd, &found) != 0) return fd;
    watched[fd] = found.st_ino;
    if (fresh)
        note('C', found.st_ino, 0, path, strlen(path));
    else if (flags & O_TRUNC)
        note('T', found.st_ino, 0, NULL, 0);
    return fd;
}

#define OPEN(name)                                                                    \
    int name(const char *path, int flags, ...)                                        \
    {                                                                                 \
        REAL(#name, int, const char *, int, ...);                                     \
        va_list more;                                                                 \
        va_start(more, flags);                                                        \
        int mode = MAKES(flags) ? va_arg(more, int) : 0;                              \
        va_end(more);                                                                 \
        pthread_mutex_lock(&lock);                                                    \
        int fresh = (flags & O_CREAT) && access(path, F_OK) != 0;                     \
        int fd = opened(real(path, flags, mode), path, flags, fresh);                 \
        pthread_mutex_unlock(&lock);                                                  \
        return fd;                                                                    \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                  \
    int name(int folder, const char *path, int flags, ...)                            \
    {                                                                                 \
        REAL(#name, int, int, const char *, int, ...);                                \
        va_list more;                                                                 \
        va_start(more, flags);                                                        \
        int mode = MAKES(flags) ? va_arg(more, int) : 0;                              \
        va_end(more);                                                                 \
        pthread_mutex_lock(&lock);                                                    \
        int fresh = (flags & O_CREAT) && faccessat(folder, path, F_OK, 0) != 0;       \
        int fd = opened(real(folder, path, flags, mode), path, flags, fresh);         \
        pthread_mutex_unlock(&lock);                                                  \
        return fd;                                                                    \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int fd)
{
    REAL("close", int, int);
    if (fd >= 0 && fd < FDS) watched[fd] = 0;
    return real(fd);
}

#define PWRITE(name)                                                                  \
    ssize_t name(int fd, const void *data, size_t length, off64_t at)                 \
    {                                                                                 \
        REAL(#name, ssize_t, int, const void *, size_t, off64_t);                     \
        if (!inode_of(fd)) return real(fd, data, length, at);                         \
        pthread_mutex_lock(&lock);                                                    \
        uint64_t inode = inode_of(fd);                                                \
        ssize_t done = real(fd, data, length, at);                                    \
        if (inode && done > 0) note('W', inode, at, data, done);                      \
        pthread_mutex_unlock(&lock);                                                  \
        return done;                                                                  \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

ssize_t write(int fd, const void *data, size_t length)
{
    REAL("write", ssize_t, int, const void *, size_t);
    if (!inode_of(fd)) return real(fd, data, length); /* a full pipe waits without the lock */
    pthread_mutex_lock(&lock);
    uint64_t inode = inode_of(fd);
    ssize_t done = real(fd, data, length);
    if (inode && done > 0) note('W', inode, lseek64(fd, 0, SEEK_CUR) - done, data, done);
    pthread_mutex_unlock(&lock);
    return done;
}

#define TRUNCATE(name)                                                                \
    int name(int fd, off64_t size)                                                    \
    {                                                                                 \
        REAL(#name, int, int, off64_t);                                               \
        pthread_mutex_lock(&lock);                                                    \
        uint64_t inode = inode_of(fd);                                                \
        int failed = real(fd, size);                                                  \
        if (inode && !failed) note('T', inode, size, NULL, 0);                        \
        pthread_mutex_unlock(&lock);                                                  \
        return failed;                                                                \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

#define ALLOCATE(name)                                                                \
    int name(int fd, off64_t at, off64_t length)                                      \
    {                                                                                 \
        REAL(#name, int, int, off64_t, off64_t);                                      \
        pthread_mutex_lock(&lock);                                                    \
        uint64_t inode = inode_of(fd);                                                \
        int failed = real(fd, at, length);                                            \
        if (inode && !failed) note('A', inode, at + length, NULL, 0);                 \
        pthread_mutex_unlock(&lock);                                                  \
        return failed;                                                                \
    }
ALLOCATE(posix_fallocate)
ALLOCATE(posix_fallocate64)

#define SYNC(name)                                                                    \
    int name(int fd)                                                                  \
    {                                                                                 \
        REAL(#name, int, int);                                                        \
        pthread_mutex_lock(&lock);                                                    \
        uint64_t inode = inode_of(fd);                                                \
        int failed = real(fd);                                                        \
        if (inode && !failed) note('S', inode, 0, NULL, 0);                           \
        pthread_mutex_unlock(&lock);                                                  \
        return failed;                                                                \
    }
SYNC(fsync)
SYNC(fdatasync)

int rename(const char *from, const char *to)
{
    REAL("rename", int, const char *, const char *);
    pthread_mutex_lock(&lock);
    int failed = real(from, to);
    if (!failed && inside(from) && inside(to)) {
        char both[2 * PATH_MAX];
        int length = snprintf(both, sizeof both, "%s%c%s", from, 0, to);
        note('R', 0, 0, both, length);
    }
    pthread_mutex_unlock(&lock);
    return failed;
}

int unlink(const char *path)
{
    REAL("unlink", int, const char *);
    pthread_mutex_lock(&lock);
    int failed = real(path);
    if (!failed && inside(path)) note('U', 0, 0, path, strlen(path));
    pthread_mutex_unlock(&lock);
    return failed;
}

int mkdir(const char *path, mode_t mode)
{
    REAL("mkdir", int, const char *, mode_t);
    pthread_mutex_lock(&lock);
    int failed = real(path, mode);
    struct stat found;
    if (!failed && inside(path) && stat(path, &found) == 0)
        note('M', found.st_ino, 0, path, strlen(path));
    pthread_mutex_unlock(&lock);
    return failed;
}
