/* SPDX-License-Identifier: MIT
 *
 * The data directory: made where it is missing, refused where others could
 * change what is in it, where its owner is somebody else or where it is clearly
 * for something else, then locked.
 */
#include "node/os/datadir.h"

#include "node/os/file_kind.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
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

/* "warren (uid 7881)"; the number alone for one that has no name here. */
static void add_user(uid_t uid, struct text *out)
{
    const struct passwd *user = getpwuid(uid);

    if (user != NULL)
        text_addf(out, "%s (uid %lu)", user->pw_name, (unsigned long)uid);
    else
        text_addf(out, "uid %lu", (unsigned long)uid);
}

/* What is open to others is made private by its owner, if it is for warren
 * alone: that is never said of /tmp, or of what somebody else has made. One
 * that is open to everybody may be a mistake or a place for all to share; a
 * lock of ours tells. */
static bool is_for_warren(int fd, const struct stat *dir)
{
    struct stat lock;

    if (dir->st_uid != geteuid() || (dir->st_mode & S_ISVTX) != 0)
        return false;
    return (dir->st_mode & S_IWOTH) == 0 ||
           (fstatat(fd, LOCK_NAME, &lock, AT_SYMLINK_NOFOLLOW) == 0 &&
            lock.st_uid == geteuid());
}

static enum error refuse_owner(const char *path, uid_t owner, struct text *why)
{
    text_addf(why, "the data directory %s belongs to ", path);
    add_user(owner, why);
    text_add(why, ", but warren runs as ");
    add_user(geteuid(), why);
    text_addf(why,
              "; run it as that user (`sudo -u '#%lu' warren run ...`, "
              "`docker run --user %lu`), give it away with `chown -R %lu %s`, "
              "or choose another with --data-dir",
              (unsigned long)owner, (unsigned long)owner,
              (unsigned long)geteuid(), path);
    return ERR_IO;
}

static enum error refuse_open(const char *path, bool ours, struct text *why)
{
    text_addf(why, "others may write to the data directory %s; ", path);
    if (ours)
        text_addf(why, "run `chmod 700 %s`", path);
    else
        text_addf(why,
                  "choose one that is for warren alone, such as --data-dir "
                  "%s%swarren, which is made if it is not there",
                  path, path[strlen(path) - 1] == '/' ? "" : "/");
    return ERR_IO;
}

/* Whether a node has been in it: its lock, or what a backup brings back. */
static bool was_ours(int fd)
{
    static const char *const names[] = {"identity.key", "warren.db"};
    struct stat st;

    if (fstatat(fd, LOCK_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode))
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (fstatat(fd, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
    }
    return false;
}

/* What may stand in a directory before the first start: a configuration,
 * a volume's own, and what is in the way of ours and is told of later. */
static bool is_no_stranger(const char *name)
{
    static const char *const names[] = {".", "..", LOCK_NAME, "control.sock",
                                        "lost+found"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return strncmp(name, "warren", 6) == 0 ||
           strncmp(name, "handshake.", 10) == 0;
}

static enum error refuse_foreign(const char *path, const char *found,
                                 struct text *why)
{
    const char *slash = path[strlen(path) - 1] == '/' ? "" : "/";

    text_addf(why,
              "the directory %s is not empty (there is %s) and no data "
              "directory of warren's; choose one that is for warren alone, "
              "such as --data-dir %s%swarren, which is made if it is not "
              "there; if this one is meant, run `touch %s%slock`",
              path, found, path, slash, path, slash);
    return ERR_IO;
}

/* The first file of somebody else's decides. */
static enum error check_names(int fd, const char *path, struct text *why)
{
    int again = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = again < 0 ? NULL : fdopendir(again);
    const struct dirent *entry;
    enum error err = OK;

    if (dir == NULL) {
        text_addf(why, "cannot read the data directory %s: %s", path,
                  strerror(errno));
        if (again >= 0)
            close(again);
        return ERR_IO;
    }
    while (err == OK && (entry = readdir(dir)) != NULL) {
        if (!is_no_stranger(entry->d_name))
            err = refuse_foreign(path, entry->d_name, why);
    }
    closedir(dir);
    return err;
}

static enum error check_directory(int fd, const char *path, struct text *why)
{
    struct stat st;

    if (fstat(fd, &st) < 0) {
        text_addf(why, "cannot open the data directory %s: %s", path,
                  strerror(errno));
        return ERR_IO;
    }
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        return refuse_open(path, is_for_warren(fd, &st), why);
    /* Others meet what they may not do. Root may do everything, and then the
     * owner could not read what root has left there. */
    if (st.st_uid != geteuid() && geteuid() == 0)
        return refuse_owner(path, st.st_uid, why);
    return was_ours(fd) ? OK : check_names(fd, path, why);
}

static enum error open_directory(const char *path, int *out, struct text *why)
{
    int fd, errnum = make_directories(path);
    struct stat st;
    enum error err;

    if (errnum != 0) {
        text_addf(why,
                  "cannot create the data directory %s: %s; choose "
                  "another with --data-dir",
                  path, strerror(errnum));
        return error_of(errnum);
    }
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES && stat(path, &st) == 0 &&
        st.st_uid != geteuid())
        return refuse_owner(path, st.st_uid, why); /* root was here before */
    if (fd < 0) {
        text_addf(why, "cannot open the data directory %s: %s", path,
                  strerror(errno));
        return ERR_IO;
    }
    err = check_directory(fd, path, why);
    if (err != OK)
        close(fd);
    else
        *out = fd;
    return err;
}

/* A remedy that is none, such as another owner on a full disk, is not said. */
static enum error cannot_write(const char *path, int errnum, struct text *why)
{
    text_addf(why, "cannot write to the data directory %s: %s", path,
              strerror(errnum));
    if (errnum == EACCES || errnum == EPERM)
        text_addf(why,
                  "; give it to the user that runs warren (`chown -R %lu %s`), "
                  "or choose another with --data-dir",
                  (unsigned long)geteuid(), path);
    if (errnum == EROFS)
        text_add(why, "; choose another with --data-dir");
    return error_of(errnum);
}

/* The lock stays another user's when a directory changes hands. False, and
 * nothing said, when we are denied for another reason. */
static bool explain_foreign_lock(int dirfd, const char *path, int errnum,
                                 struct text *why)
{
    unsigned long user = geteuid();
    struct stat st;

    if (errnum != EACCES ||
        fstatat(dirfd, LOCK_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        st.st_uid == user)
        return false;
    text_addf(why,
              "cannot use the data directory %s: the lock in it belongs to "
              "user %lu, and warren runs as user %lu; run `chown -R %lu %s`, "
              "or choose another with --data-dir",
              path, (unsigned long)st.st_uid, user, user, path);
    return true;
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

/* A directory, a link or a FIFO would be blamed on the directory, or hang. */
static enum error check_lock(int dirfd, const char *path, struct text *why)
{
    struct stat st;

    if (fstatat(dirfd, LOCK_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        S_ISREG(st.st_mode))
        return OK;
    text_addf(why,
              "%s%slock is %s, but in a data directory it is a file that "
              "warren makes; move it away",
              path, path[strlen(path) - 1] == '/' ? "" : "/",
              file_kind(st.st_mode));
    return ERR_IO;
}

static enum error take_lock(int dirfd, const char *path, int *out,
                            struct text *why)
{
    enum error err = check_lock(dirfd, path, why);
    int fd;

    if (err != OK)
        return err;
    fd = openat(dirfd, LOCK_NAME,
                O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (fd < 0) {
        int errnum = errno;

        return explain_foreign_lock(dirfd, path, errnum, why)
                   ? error_of(errnum)
                   : cannot_write(path, errnum, why);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        err = errno == EWOULDBLOCK ? ERR_IN_USE : ERR_IO;
        if (err == ERR_IN_USE)
            explain_held(fd, path, why);
        else
            text_addf(why, "cannot lock the data directory %s: %s", path,
                      strerror(errno));
    } else if (!write_pid(fd)) {
        err = cannot_write(path, errno, why);
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
    enum error err;

    if (path[0] == '\0') { /* as config_default_data_dir leaves it */
        text_add(why, "no data directory is given, and HOME is not set; give "
                      "one with --data-dir, or set HOME");
        return ERR_IO;
    }
    err = open_directory(path, &d.fd, why);
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
