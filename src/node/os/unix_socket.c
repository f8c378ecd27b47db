/* SPDX-License-Identifier: MIT
 *
 * A socket that a killed daemon left behind is told from a living one's by
 * connecting to it: only the dead refuse. Everything else that can come of
 * that is said as it is, and nothing is removed.
 */
#include "node/os/unix_socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG   16
#define CONNECT_S 5 /* for a place in the backlog */

static enum error address_of(const char *path, struct sockaddr_un *out,
                             struct text *why)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(address.sun_path)) {
        text_addf(why,
                  "the path of the control socket, %s, is longer than the %zu "
                  "bytes that the system allows: give a shorter one with "
                  "--control",
                  path, sizeof(address.sun_path) - 1);
        return ERR_TOO_LARGE;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    *out = address;
    return OK;
}

/* A connected socket, or -errno: EAGAIN when nobody accepts. */
static int try_connect(const struct sockaddr_un *address, int flags)
{
    struct timeval patience = {.tv_sec = CONNECT_S};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0)
        return fd;
    int errnum = errno;
    close(fd);
    return -errnum;
}

static enum error remove_left_behind(const char *path, struct text *why)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return OK;
    text_addf(why,
              "cannot remove the control socket %s that a daemon left behind: "
              "%s",
              path, strerror(errno));
    return ERR_IO;
}

/* What came of connecting, if it was not a refusal. */
static enum error say_who_is_there(const char *path, int errnum,
                                   const struct stat *st, struct text *why)
{
    static const char advice[] = "give another path with --control";

    if (errnum == EAGAIN) {
        text_addf(why,
                  "a daemon that accepts nobody any more listens on the "
                  "control socket %s: end it, or %s",
                  path, advice);
        return ERR_IN_USE;
    }
    if (errnum == EACCES || errnum == EPERM)
        text_addf(why,
                  "the control socket %s is another user's (number %u): %s, "
                  "or run as that user",
                  path, (unsigned)st->st_uid, advice);
    else
        text_addf(why, "cannot tell who listens on the control socket %s: %s",
                  path, strerror(errnum));
    return ERR_IO;
}

/* Removes a socket that its daemon left behind; anything else is not ours to
 * remove. */
static enum error clear_path(const struct sockaddr_un *address,
                             struct text *why)
{
    const char *path = address->sun_path;
    struct stat st;
    int fd;

    if (lstat(path, &st) != 0)
        return OK;
    if (!S_ISSOCK(st.st_mode)) {
        text_addf(why,
                  "%s exists and is no socket: move it away, or give "
                  "another path with --control",
                  path);
        return ERR_IN_USE;
    }
    fd = try_connect(address, SOCK_NONBLOCK);
    if (fd == -ENOENT)
        return OK;
    if (fd == -ECONNREFUSED)
        return remove_left_behind(path, why);
    if (fd < 0)
        return say_who_is_there(path, -fd, &st, why);
    close(fd);
    text_addf(why,
              "another daemon listens on the control socket %s: stop it, "
              "or give another path with --control",
              path);
    return ERR_IN_USE;
}

/* Nobody can connect between bind and listen, so the mode is set in time. */
static int bind_and_listen(const struct sockaddr_un *address, struct stat *st)
{
    int errnum;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 &&
        chmod(address->sun_path, 0600) == 0 &&
        stat(address->sun_path, st) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    errnum = errno;
    close(fd);
    return -errnum;
}

enum error unix_listen(const char *path, struct unix_listener *out,
                       struct text *why)
{
    struct sockaddr_un address;
    struct stat st;
    enum error err = address_of(path, &address, why);
    int fd;

    if (err == OK)
        err = clear_path(&address, why);
    if (err != OK)
        return err;
    fd = bind_and_listen(&address, &st);
    if (fd < 0) {
        text_addf(why, "cannot listen on the control socket %s: %s", path,
                  strerror(-fd));
        return fd == -EADDRINUSE ? ERR_IN_USE : ERR_IO;
    }
    *out = (struct unix_listener){
        .fd = fd, .address = address, .device = st.st_dev, .inode = st.st_ino};
    return OK;
}

void unix_unlisten(struct unix_listener *l)
{
    struct stat st;

    if (stat(l->address.sun_path, &st) == 0 && st.st_dev == l->device &&
        st.st_ino == l->inode)
        unlink(l->address.sun_path);
    close(l->fd);
}

enum error unix_connect(const char *path, int *fd, struct text *why)
{
    struct sockaddr_un address;
    enum error err = address_of(path, &address, why);
    int r;

    if (err != OK)
        return err;
    r = try_connect(&address, 0);
    if (r >= 0) {
        *fd = r;
        return OK;
    }
    if (r == -ENOENT || r == -ECONNREFUSED)
        return ERR_NOT_FOUND;
    if (r == -EAGAIN) {
        text_addf(why,
                  "the daemon that listens on the control socket %s accepts "
                  "nobody: it hangs, or too many programs wait",
                  path);
        return ERR_TIMEOUT;
    }
    text_addf(why, "cannot connect to the control socket %s: %s", path,
              strerror(-r));
    return ERR_IO;
}
