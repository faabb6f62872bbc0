/*
 * Loaded before a server (LD_PRELOAD): writes down, in order, everything it does to the files below one folder, and which of it was synced. From this
 * a test makes the disk as a power loss would leave it: what was synced is there, of all else anything or nothing.
 *
 *   LEGATE_TEST_DISK_FOLDER  the folder, an absolute path
 *   LEGATE_TEST_DISK_LOG     where to write it down, outside of the folder
 *   LEGATE_TEST_DISK_LIES    when set, nothing is ever written down as synced: a disk that lies
 *   LEGATE_TEST_DISK_FAILS   a file: while it is there, whoever syncs is told that the disk failed (EIO)
 *
 * A record: kind (1 byte), length of the path (4, little-endian), length of the data (4), place (8), path, data.
 * Kinds: C made, W written, T cut to a length, S synced, U removed, R renamed (the data is the new path). The place of S is how many records stood
 * before the sync began: what others write while it is under way may or may not be part of it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define MOST 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *folder;
static size_t folder_length;
static int lies;
static const char *fails;
static int log_file = -1;
static uint64_t records;
static char *paths[MOST];

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int watched(const char *path) {
  if (folder == NULL || path == NULL || strncmp(path, folder, folder_length) != 0) return 0;
  if (path[folder_length] != '/' && path[folder_length] != 0) return 0;
  /* The shared memory of SQLite's write-ahead log is no file that outlives its processes. */
  size_t length = strlen(path);
  return length < 4 || strcmp(path + length - 4, "-shm") != 0;
}

static void note(char kind, const char *path, uint64_t place, const struct iovec *data, int parts, size_t length) {
  int before = errno;
  uint32_t path_length = (uint32_t)strlen(path), data_length = (uint32_t)length;
  char head[17];
  head[0] = kind;
  memcpy(head + 1, &path_length, 4);
  memcpy(head + 5, &data_length, 4);
  memcpy(head + 9, &place, 8);
  struct iovec all[66];
  int count = 0;
  all[count++] = (struct iovec){head, sizeof head};
  all[count++] = (struct iovec){(void *)path, path_length};
  for (int i = 0; i < parts && count < 66 && length > 0; i++) {
    size_t take = data[i].iov_len < length ? data[i].iov_len : length;
    all[count++] = (struct iovec){data[i].iov_base, take};
    length -= take;
  }
  if (REAL(writev)(log_file, all, count) < 0) abort();
  records++;
  errno = before;
}

__attribute__((constructor)) static void begin(void) {
  const char *to = getenv("LEGATE_TEST_DISK_LOG");
  folder = getenv("LEGATE_TEST_DISK_FOLDER");
  lies = getenv("LEGATE_TEST_DISK_LIES") != NULL;
  fails = getenv("LEGATE_TEST_DISK_FAILS");
  if (to == NULL || folder == NULL) {
    folder = NULL;
    return;
  }
  folder_length = strlen(folder);
  log_file = REAL(open64)(to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_file < 0) abort();
}

static int remember(int fd, const char *path, int made, int flags) {
  if (fd < 0 || fd >= MOST) return fd;
  pthread_mutex_lock(&lock);
  free(paths[fd]);
  paths[fd] = strdup(path);
  if (made) note('C', path, 0, NULL, 0, 0);
  else if (flags & O_TRUNC) note('T', path, 0, NULL, 0, 0);
  pthread_mutex_unlock(&lock);
  return fd;
}

#define OPEN(name)                                                                   \
  int name(const char *path, int flags, ...) {                                       \
    va_list rest;                                                                    \
    va_start(rest, flags);                                                           \
    mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0;        \
    va_end(rest);                                                                    \
    int watch = watched(path);                                                       \
    struct stat there;                                                               \
    int made = watch && (flags & O_CREAT) && stat(path, &there) != 0;                \
    int fd = REAL(name)(path, flags, mode);                                          \
    return watch ? remember(fd, path, made, flags) : fd;                             \
  }
OPEN(open)
OPEN(open64)

static const char *path_of(int fd) { return fd >= 0 && fd < MOST ? paths[fd] : NULL; }

int close(int fd) {
  if (path_of(fd) != NULL) {
    pthread_mutex_lock(&lock);
    free(paths[fd]);
    paths[fd] = NULL;
    pthread_mutex_unlock(&lock);
  }
  return REAL(close)(fd);
}

static void wrote(int fd, off64_t place, const struct iovec *data, int parts, ssize_t length) {
  if (length <= 0) return;
  pthread_mutex_lock(&lock);
  if (path_of(fd) != NULL) note('W', paths[fd], (uint64_t)place, data, parts, (size_t)length);
  pthread_mutex_unlock(&lock);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t place) {
  ssize_t done = REAL(pwrite64)(fd, data, length, place);
  if (path_of(fd) != NULL) wrote(fd, place, &(struct iovec){(void *)data, length}, 1, done);
  return done;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t place) { return pwrite64(fd, data, length, place); }

/* Where the next write without a place goes: asked afterwards, because appending moves it first. */
static off64_t place_before(int fd, ssize_t done) { return lseek64(fd, 0, SEEK_CUR) - done; }

ssize_t write(int fd, const void *data, size_t length) {
  ssize_t done = REAL(write)(fd, data, length);
  if (path_of(fd) != NULL && done > 0) wrote(fd, place_before(fd, done), &(struct iovec){(void *)data, length}, 1, done);
  return done;
}

ssize_t writev(int fd, const struct iovec *data, int parts) {
  ssize_t done = REAL(writev)(fd, data, parts);
  if (path_of(fd) != NULL && done > 0) wrote(fd, place_before(fd, done), data, parts, done);
  return done;
}

ssize_t pwritev64(int fd, const struct iovec *data, int parts, off64_t place) {
  ssize_t done = REAL(pwritev64)(fd, data, parts, place);
  if (path_of(fd) != NULL) wrote(fd, place, data, parts, done);
  return done;
}

static int sync_by(int (*really)(int), int fd) {
  if (path_of(fd) == NULL) return really(fd);
  if (fails != NULL && access(fails, F_OK) == 0) {
    errno = EIO;
    return -1;
  }
  pthread_mutex_lock(&lock);
  uint64_t before = records;
  pthread_mutex_unlock(&lock);
  int done = really(fd);
  if (done != 0 || lies) return done;
  pthread_mutex_lock(&lock);
  if (path_of(fd) != NULL) note('S', paths[fd], before, NULL, 0, 0);
  pthread_mutex_unlock(&lock);
  return done;
}

int fsync(int fd) { return sync_by(REAL(fsync), fd); }

int fdatasync(int fd) { return sync_by(REAL(fdatasync), fd); }

int ftruncate64(int fd, off64_t length) {
  int done = REAL(ftruncate64)(fd, length);
  if (done == 0 && path_of(fd) != NULL) {
    pthread_mutex_lock(&lock);
    if (path_of(fd) != NULL) note('T', paths[fd], (uint64_t)length, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
  }
  return done;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int unlink(const char *path) {
  int done = REAL(unlink)(path);
  if (done == 0 && watched(path)) {
    pthread_mutex_lock(&lock);
    note('U', path, 0, NULL, 0, 0);
    pthread_mutex_unlock(&lock);
  }
  return done;
}

int rename(const char *from, const char *to) {
  int done = REAL(rename)(from, to);
  if (done == 0 && watched(from)) {
    pthread_mutex_lock(&lock);
    note('R', from, 0, &(struct iovec){(void *)to, strlen(to)}, 1, strlen(to));
    pthread_mutex_unlock(&lock);
  }
  return done;
}
