/* SPDX-License-Identifier: MIT
 *
 * Key files. A new one is written under another name, brought to disk and then
 * given its name, so that a crash leaves the old one, the new one or none; what
 * goes is overwritten first.
 */
#include "node/os/secret.h"

#include "node/os/file_kind.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As many bytes as there are, at most `len`; -1 with errno. */
static ssize_t read_all(int fd, uint8_t *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t r = read(fd, buf + done, len - done);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -1;
        if (r == 0)
            break;
        done += (size_t)r;
    }
    return (ssize_t)done;
}

static bool write_all(int fd, const uint8_t *buf, size_t len)
{
    while (len > 0) {
        ssize_t r = write(fd, buf, len);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return false;
        buf += r;
        len -= (size_t)r;
    }
    return true;
}

static enum error not_a_file(const char *name, mode_t mode, struct text *why)
{
    text_addf(why, "%s is %s, not a regular file", name, file_kind(mode));
    return ERR_IO;
}

static enum error check_length(const char *name, off_t has, size_t min,
                               size_t max, struct text *why)
{
    if (has >= (off_t)min && has <= (off_t)max)
        return OK;
    text_addf(why, "%s has %lld bytes but a key of this kind has %zu", name,
              (long long)has, min);
    if (max != min)
        text_addf(why, " to %zu", max);
    return ERR_CORRUPT;
}

/* Its length into `len`. */
static enum error check_file(int fd, const char *name, size_t min, size_t max,
                             size_t *len, struct text *why)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        text_addf(why, "cannot read %s: %s", name, strerror(errno));
        return ERR_IO;
    }
    if (!S_ISREG(st.st_mode))
        return not_a_file(name, st.st_mode, why);
    if ((st.st_mode & 0077) != 0) {
        text_addf(why,
                  "others may read the private key in %s; if nobody has, "
                  "run `chmod 600 %s`, else make a new key",
                  name, name);
        return ERR_IO;
    }
    *len = (size_t)st.st_size;
    return check_length(name, st.st_size, min, max, why);
}

/* `name` could not be opened. That of another user is what a daemon leaves that
 * was root once. */
static enum error cannot_open(int dirfd, const char *name, struct text *why)
{
    int errnum = errno;
    struct stat st;

    if (errnum == ENOENT && file_explain_dangling(dirfd, name, why))
        return ERR_IO;
    if (fstatat(dirfd, name, &st, 0) == 0 && !S_ISREG(st.st_mode))
        return not_a_file(name, st.st_mode, why);
    text_addf(why, "cannot read %s: %s", name, strerror(errnum));
    if (errnum == EACCES && fstatat(dirfd, name, &st, 0) == 0 &&
        st.st_uid != geteuid())
        text_addf(why,
                  "; it belongs to uid %lu, but warren runs as uid %lu: run "
                  "`chown %lu %s`",
                  (unsigned long)st.st_uid, (unsigned long)geteuid(),
                  (unsigned long)geteuid(), name);
    return errnum == ENOENT ? ERR_NOT_FOUND : ERR_IO;
}

enum error secret_read_some(int dirfd, const char *name, uint8_t *secret,
                            size_t min, size_t max, size_t *len,
                            struct text *why)
{
    /* O_NONBLOCK: a FIFO by that name must not hang us. */
    int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t buf[SECRET_MAX];
    size_t has = 0;
    enum error err;

    assert(max <= sizeof(buf));
    if (fd < 0)
        return cannot_open(dirfd, name, why);
    err = check_file(fd, name, min, max, &has, why);
    if (err == OK && read_all(fd, buf, has) != (ssize_t)has) {
        text_addf(why, "cannot read %s whole", name);
        err = ERR_IO;
    }
    if (err == OK) {
        memcpy(secret, buf, has);
        *len = has;
    }
    sodium_memzero(buf, sizeof(buf));
    close(fd);
    return err;
}

enum error secret_read(int dirfd, const char *name, uint8_t *secret, size_t len,
                       struct text *why)
{
    size_t has;

    return secret_read_some(dirfd, name, secret, len, len, &has, why);
}

static enum error failed(const char *name, struct text *why)
{
    int errnum = errno;

    text_addf(why, "cannot write %s: %s", name, strerror(errnum));
    return errnum == ENOSPC || errnum == EDQUOT ? ERR_NO_SPACE
           : errnum == EEXIST                   ? ERR_IN_USE
                                                : ERR_IO;
}

/* The directory entry itself must reach the disk. `name` may have a path. */
static bool sync_directory(int dirfd, const char *name)
{
    const char *slash = strrchr(name, '/');
    char dir[SECRET_NAME_MAX];
    int fd;
    bool ok;

    snprintf(dir, sizeof(dir), "%.*s",
             slash == NULL ? 1 : (int)(slash - name) + 1,
             slash == NULL ? "." : name);
    fd = openat(dirfd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ok = fsync(fd) == 0;
    close(fd);
    return ok;
}

/* Gives the finished file its name, but never replaces a key that is there.
 * Some file systems know only one of the two ways. */
static int publish(int dirfd, const char *temp, const char *name)
{
    if (renameat2(dirfd, temp, dirfd, name, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    return linkat(dirfd, temp, dirfd, name, 0);
}

static int open_to_wipe(int dirfd, const char *name)
{
    return openat(dirfd, name, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
}

/* Of a file that has lost its name, unless it has another one; closes it. */
static void wipe(int fd)
{
    static const uint8_t zeros[SECRET_MAX];
    struct stat st;

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 0 &&
        st.st_size <= SECRET_MAX && write_all(fd, zeros, (size_t)st.st_size))
        fsync(fd);
    close(fd);
}

static int replace(int dirfd, const char *temp, const char *name)
{
    int old = open_to_wipe(dirfd, name);
    int result = renameat(dirfd, temp, dirfd, name);
    int errnum = errno;

    wipe(old);
    errno = errnum;
    return result;
}

/* Writes a file beside, and gives it its name. */
static enum error
write_file(int dirfd, const char *name, const uint8_t *secret, size_t len,
           int (*give_name)(int dirfd, const char *temp, const char *name),
           struct text *why)
{
    char temp[SECRET_NAME_MAX];
    int n = snprintf(temp, sizeof(temp), "%s.%ld.tmp", name, (long)getpid());
    enum error err = OK;
    int fd;

    if (n < 0 || (size_t)n >= sizeof(temp)) {
        text_addf(why, "the name %s is too long", name);
        return ERR_TOO_LARGE;
    }
    unlinkat(dirfd, temp, 0); /* of a process that was killed here */
    fd = openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(name, why);
    if (!write_all(fd, secret, len) || fsync(fd) < 0 ||
        give_name(dirfd, temp, name) < 0)
        err = failed(name, why);
    close(fd);
    unlinkat(dirfd, temp, 0);
    if (err == OK && !sync_directory(dirfd, name))
        err = failed(name, why);
    return err;
}

enum error secret_create(int dirfd, const char *name, const uint8_t *secret,
                         size_t len, struct text *why)
{
    return write_file(dirfd, name, secret, len, publish, why);
}

enum error secret_replace(int dirfd, const char *name, const uint8_t *secret,
                          size_t len, struct text *why)
{
    return write_file(dirfd, name, secret, len, replace, why);
}

enum error secret_remove(int dirfd, const char *name, struct text *why)
{
    int fd = open_to_wipe(dirfd, name);
    bool gone = unlinkat(dirfd, name, 0) == 0 && sync_directory(dirfd, name);
    enum error err = OK;

    if (!gone && errno != ENOENT) {
        text_addf(why, "cannot remove %s: %s", name, strerror(errno));
        err = ERR_IO;
    }
    wipe(fd);
    return err;
}
