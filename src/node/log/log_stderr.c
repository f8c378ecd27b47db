/* SPDX-License-Identifier: MIT
 *
 * What stderr is decides how a write can be kept from waiting:
 *
 *     regular file      it never waits; the position in it is shared, so the
 *                       descriptor that we were given is the one to use
 *     socket            (journald, a supervisor) MSG_DONTWAIT
 *     pipe, terminal    opened once more through /proc, for an open file of
 *                       our own with O_NONBLOCK
 *     all else, or a    poll, and never more at once than a pipe that polls
 *     pipe that cannot  as writable takes; only another writer's bytes that
 *     be opened         come between the two can make that wait
 *
 * It is looked at before each line: lines are few, and a program may put
 * another file in the place of its stderr at any time.
 */
#include "node/log/log_stderr.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REST_MAX (16 * 1024) /* more than a line */

void log_stderr_init(struct log_stderr *s, int fd)
{
    *s = (struct log_stderr){.fd = fd, .own = -1};
    text_init(&s->rest, REST_MAX);
}

static void forget(struct log_stderr *s)
{
    if (s->own >= 0)
        close(s->own);
    s->own = -1;
    text_clear(&s->rest);
}

void log_stderr_deinit(struct log_stderr *s)
{
    forget(s);
    text_deinit(&s->rest);
}

/* ---- What it is -------------------------------------------------------- */

static bool can_wait(const struct log_stderr *s, const struct stat *now)
{
    return S_ISFIFO(now->st_mode) ||
           (S_ISCHR(now->st_mode) && isatty(s->fd) != 0);
}

/* Fails without /proc, for another user's pipe, and out of descriptors. */
static int open_anew(int fd)
{
    char path[32];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool look(struct log_stderr *s, struct stat *now)
{
    if (fstat(s->fd, now) != 0)
        return false;
    if (now->st_dev != s->seen.st_dev || now->st_ino != s->seen.st_ino)
        forget(s);
    s->seen = *now;
    if (s->own < 0 && can_wait(s, now))
        s->own = open_anew(s->fd);
    return true;
}

bool log_stderr_is_journal(const struct log_stderr *s)
{
    const char *stream = getenv("JOURNAL_STREAM");
    char is[48];
    struct stat now;

    if (stream == NULL || fstat(s->fd, &now) != 0)
        return false;
    snprintf(is, sizeof(is), "%ju:%ju", (uintmax_t)now.st_dev,
             (uintmax_t)now.st_ino);
    return strcmp(stream, is) == 0;
}

/* ---- Writing ----------------------------------------------------------- */

static bool is_ready(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    return poll(&p, 1, 0) == 1 && (p.revents & POLLOUT) != 0;
}

/* What one system call takes without waiting; 0 when nothing. */
static size_t write_some(const struct log_stderr *s, mode_t mode,
                         struct bytes b)
{
    ssize_t n;

    do {
        if (S_ISSOCK(mode))
            n = send(s->fd, b.p, b.len, MSG_DONTWAIT | MSG_NOSIGNAL);
        else if (S_ISREG(mode))
            n = write(s->fd, b.p, b.len);
        else if (s->own >= 0)
            n = write(s->own, b.p, b.len);
        else if (is_ready(s->fd))
            n = write(s->fd, b.p, b.len < PIPE_BUF ? b.len : PIPE_BUF);
        else
            return 0;
    } while (n < 0 && errno == EINTR);
    return n > 0 ? (size_t)n : 0;
}

static size_t write_all(const struct log_stderr *s, mode_t mode, struct bytes b)
{
    size_t done = 0, n = 1;

    for (; done < b.len && n > 0; done += n)
        n = write_some(s, mode, bytes_of(b.p + done, b.len - done));
    return done;
}

/* What the last line still owes; false when not all of it could go. */
static bool pay(struct log_stderr *s, mode_t mode)
{
    size_t done = write_all(s, mode, bytes_of(s->rest.buf, s->rest.len));
    size_t left = s->rest.len - done;

    if (done > 0)
        memmove(s->rest.buf, s->rest.buf + done, left);
    text_cut(&s->rest, left);
    return left == 0;
}

/* A line goes out whole or not at all, but for what the kernel has taken of
 * it already: the rest of that is owed before another line begins. */
bool log_stderr_write(struct log_stderr *s, struct bytes line)
{
    struct stat now;
    size_t done;

    if (!look(s, &now) || !pay(s, now.st_mode))
        return false;
    done = write_all(s, now.st_mode, line);
    if (done > 0)
        text_add_bytes(&s->rest, bytes_of(line.p + done, line.len - done));
    return done > 0;
}
