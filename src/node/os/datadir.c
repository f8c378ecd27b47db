/* SPDX-License-Identifier: MIT */
#include "node/os/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_NAME "lock"

static enum error error_of(int errnum)
{
    return errnum == ENOSPC || errnum == EDQUOT ? ERR_NO_SPACE : ERR_IO;
}

/* Like `mkdir -p` with mode 0700 for what is missing. errno on failure. */
static int make_directories(const char *path)
{
    char *copy = strdup(path);
    int errnum = copy == NULL ? ENOMEM : 0;

    for (char *p = copy; errnum == 0 && p != NULL;) {
        p = strchr(p + 1, '/');
        if (p != NULL)
            *p = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST) {
            errnum = errno;
            /* A parent that we may not write to but that is there is fine. */
            if (p != NULL && access(copy, F_OK) == 0)
                errnum = 0;
        }
        if (p != NULL)
            *p = '/';
    }
    free(copy);
    return errnum;
}

/* Says whose it is that was denied us, when it is not ours: the directory, or
 * files in it, which stay another user's when a directory changes hands. */
static void explain_denied(int dirfd, const char *path, int errnum,
                           struct text *why)
{
    unsigned long user = geteuid();
    const char *what = "the lock in it";
    struct stat st;

    text_addf(why, "cannot use the data directory %s: ", path);
    if (dirfd < 0 || fstatat(dirfd, LOCK_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        what = "it";
        if (stat(path, &st) < 0)
            st.st_uid = geteuid();
    }
    if (errnum == EACCES && st.st_uid != user)
        text_addf(why,
                  "%s belongs to user %lu, and warren runs as user %lu; run "
                  "`chown -R %lu %s`",
                  what, (unsigned long)st.st_uid, user, user, path);
    else
        text_addf(why, "%s; give it to the user that runs warren",
                  strerror(errnum));
    text_add(why, ", or choose another with --data-dir");
}

static enum error open_directory(const char *path, int *out, struct text *why)
{
    struct stat st;
    int fd, errnum = make_directories(path);

    if (errnum != 0) {
        text_addf(why,
                  "cannot create the data directory %s: %s; choose "
                  "another with --data-dir",
                  path, strerror(errnum));
        return error_of(errnum);
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        explain_denied(fd, path, errno, why);
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    if ((st.st_mode & 0022) != 0) {
        text_addf(why,
                  "others may write to the data directory %s; run "
                  "`chmod 700 %s`",
                  path, path);
        close(fd);
        return ERR_IO;
    }
    *out = fd;
    return OK;
}

static void explain_held(int lock_fd, const char *path, struct text *why)
{
    char buf[32];
    ssize_t n = pread(lock_fd, buf, sizeof(buf) - 1, 0);
    long pid;

    buf[n > 0 ? n : 0] = '\0';
    pid = strtol(buf, NULL, 10);
    text_addf(why, "the data directory %s is in use by another warren", path);
    if (pid > 0)
        text_addf(why, ", process %ld", pid);
    text_add(why, "; stop that one or choose another directory with "
                  "--data-dir");
}

/* The lock is what counts; the number is for people. */
static bool write_pid(int lock_fd)
{
    char buf[32];
    int n = snprintf(buf, sizeof(buf), "%ld\n", (long)getpid());

    return ftruncate(lock_fd, 0) == 0 &&
           pwrite(lock_fd, buf, (size_t)n, 0) == n;
}

static enum error take_lock(int dirfd, const char *path, int *out,
                            struct text *why)
{
    int fd = openat(dirfd, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                    0600);
    enum error err = OK;

    if (fd < 0) {
        err = error_of(errno);
        explain_denied(dirfd, path, errno, why);
        return err;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        err = errno == EWOULDBLOCK ? ERR_IN_USE : ERR_IO;
        if (err == ERR_IN_USE)
            explain_held(fd, path, why);
        else
            text_addf(why, "cannot lock the data directory %s: %s", path,
                      strerror(errno));
    } else if (!write_pid(fd)) {
        err = error_of(errno);
        text_addf(why, "cannot write to the data directory %s: %s", path,
                  strerror(errno));
    }
    if (err != OK)
        close(fd);
    else
        *out = fd;
    return err;
}

enum error datadir_init(struct datadir *dir, const char *path, struct text *why)
{
    struct datadir d;
    enum error err = open_directory(path, &d.fd, why);

    if (err != OK)
        return err;
    err = take_lock(d.fd, path, &d.lock_fd, why);
    if (err != OK) {
        close(d.fd);
        return err;
    }
    *dir = d;
    return OK;
}

void datadir_deinit(struct datadir *dir)
{
    close(dir->lock_fd);
    close(dir->fd);
}
