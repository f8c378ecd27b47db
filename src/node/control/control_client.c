/* SPDX-License-Identifier: MIT
 *
 * A call is sent whole, then frames are taken as they come: news of the request
 * go to the listener, its answer ends the call, and so does a frame that says
 * why the daemon closes the connection. Frames of requests that were given up
 * before are passed over.
 */
#include "node/control/control_client.h"
#include "base/timestamp.h"
#include "node/control/reply.h"
#include "node/os/clock.h"
#include "node/os/unix_socket.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_STEP (100 * TIME_MS)

enum error control_client_init(struct control_client *c, const char *path,
                               struct text *why)
{
    struct control_client fresh = {.fd = -1};
    enum error err;

    fresh.in = malloc(CONTROL_FRAME_MAX);
    fresh.tokens = malloc(CONTROL_FRAME_TOKENS * sizeof(*fresh.tokens));
    if (fresh.in == NULL || fresh.tokens == NULL) {
        text_add(why, error_text(ERR_NO_MEMORY));
        err = ERR_NO_MEMORY;
    } else {
        err = unix_connect(path, &fresh.fd, why);
    }
    if (err != OK) {
        free(fresh.in);
        free(fresh.tokens);
        return err;
    }
    *c = fresh;
    return OK;
}

void control_client_deinit(struct control_client *c)
{
    reply_forget();
    close(c->fd);
    free(c->in);
    free(c->tokens);
}

static enum error send_all(int fd, struct bytes b)
{
    while (b.len > 0) {
        ssize_t n = send(fd, b.p, b.len, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        b.p += n;
        b.len -= (size_t)n;
    }
    return OK;
}

static enum error send_request(struct control_client *c, const char *method,
                               struct bytes params)
{
    uint8_t buf[CONTROL_REQUEST_MAX];
    struct mp_writer w;

    mp_writer_init(&w, buf, sizeof(buf));
    control_write_request(&w, ++c->msgid, method);
    if (params.len == 0)
        mp_write_map(&w, 0);
    mp_write_raw(&w, params);
    if (w.err != OK)
        return w.err;
    return send_all(c->fd, mp_writer_bytes(&w));
}

/* Takes the next whole frame; ERR_MISSING when there is none yet. */
static enum error next_frame(struct control_client *c,
                             struct control_frame *out)
{
    struct mp_tape tape = {.tokens = c->tokens, .cap = CONTROL_FRAME_TOKENS};

    c->in_len -= c->in_used;
    memmove(c->in, c->in + c->in_used, c->in_len);
    c->in_used = 0;
    if (c->in_len == 0)
        return ERR_MISSING;
    return control_frame_read(&tape, bytes_of(c->in, c->in_len), &c->in_used,
                              out);
}

/* OK when something came or `step` is over. */
static enum error fill(struct control_client *c, uint64_t step)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    ssize_t n;

    if (c->in_len == CONTROL_FRAME_MAX)
        return ERR_TOO_LARGE;
    if (poll(&p, 1, (int)((step + TIME_MS - 1) / TIME_MS)) <= 0)
        return OK;
    n = recv(c->fd, c->in + c->in_len, CONTROL_FRAME_MAX - c->in_len, 0);
    if (n == 0 || (n < 0 && errno != EINTR))
        return ERR_IO;
    if (n > 0)
        c->in_len += (size_t)n;
    return OK;
}

/* Handles all frames that are whole; OK when the answer is among them. */
static enum error take_frames(struct control_client *c,
                              const struct control_listener *listener,
                              struct control_frame *out)
{
    struct control_frame f;
    enum error err;

    while ((err = next_frame(c, &f)) == OK) {
        if (f.kind == CONTROL_NOTIFICATION && f.code.len > 0) {
            *out = f;
            return ERR_IO;
        }
        if (f.msgid != c->msgid)
            continue;
        if (f.kind == CONTROL_RESPONSE) {
            *out = f;
            return f.code.len > 0 ? ERR_REMOTE : OK;
        }
        if (f.kind == CONTROL_NOTIFICATION && listener != NULL &&
            listener->notification != NULL)
            listener->notification(listener->arg, f.method, f.value);
        reply_forget();
    }
    return err;
}

/* The first news of the request that runs. */
static enum error wait_for_news(struct control_client *c, uint64_t timeout,
                                struct control_frame *out)
{
    uint64_t begun = clock_now(), waited = 0;
    struct control_frame f;
    enum error err;

    while ((err = next_frame(c, &f)) == OK || err == ERR_MISSING) {
        if (err == OK && (f.msgid == c->msgid || f.code.len > 0)) {
            *out = f;
            if (f.kind == CONTROL_RESPONSE)
                return f.code.len > 0 ? ERR_REMOTE : ERR_UNKNOWN_KIND;
            return f.code.len > 0 ? ERR_IO : OK;
        }
        if (waited >= timeout)
            return ERR_TIMEOUT;
        if (err == ERR_MISSING)
            err = fill(c, time_min(WAIT_STEP, timeout - waited));
        if (err != OK)
            break;
        waited = time_since(begun, clock_now());
    }
    return err;
}

static enum error wait_for_answer(struct control_client *c, uint64_t timeout,
                                  const struct control_listener *listener,
                                  struct control_frame *out)
{
    uint64_t begun = clock_now();
    uint64_t waited = 0;
    enum error err;

    while ((err = take_frames(c, listener, out)) == ERR_MISSING) {
        if (waited >= timeout)
            return ERR_TIMEOUT;
        err = fill(c, time_min(WAIT_STEP, timeout - waited));
        if (err != OK)
            break;
        waited = time_since(begun, clock_now());
        if (listener != NULL && listener->waiting != NULL)
            listener->waiting(listener->arg, waited);
    }
    return err;
}

static void explain_end(const struct control_frame *last, struct text *why)
{
    text_add(why, "the daemon closed the connection: ");
    if (last->text.len > 0)
        text_add_printable(why, last->text);
    else
        text_add(why, "its log says why");
}

static void explain(enum error err, uint64_t timeout,
                    const struct control_frame *last, struct text *why)
{
    if (err == ERR_TIMEOUT)
        text_addf(why, "no answer within %g s: --timeout TIME waits longer",
                  (double)timeout / (double)TIME_S);
    else if (err == ERR_IO)
        explain_end(last, why);
    else if (err != OK && err != ERR_REMOTE)
        text_addf(why,
                  "the daemon and this program do not understand each "
                  "other (%s): are they of the same version?",
                  error_text(err));
}

enum error control_client_call(struct control_client *c, const char *method,
                               struct bytes params, uint64_t timeout,
                               const struct control_listener *listener,
                               struct control_frame *out, struct text *why)
{
    struct control_frame last = {0};
    enum error err;

    reply_forget();
    err = send_request(c, method, params);
    if (err == OK)
        err = wait_for_answer(c, timeout, listener, &last);
    if (err == OK || err == ERR_REMOTE)
        *out = last;
    explain(err, timeout, &last, why);
    return err;
}

enum error control_client_begin(struct control_client *c, const char *method,
                                struct bytes params, uint64_t timeout,
                                struct control_frame *out, struct text *why)
{
    struct control_frame last = {0};
    enum error err;

    reply_forget();
    err = send_request(c, method, params);
    if (err == OK)
        err = wait_for_news(c, timeout, &last);
    if (err == OK || err == ERR_REMOTE)
        *out = last;
    explain(err, timeout, &last, why);
    return err;
}

enum error control_client_send(struct control_client *c, const char *method,
                               struct bytes params, uint32_t *msgid,
                               struct text *why)
{
    struct control_frame last = {0};
    enum error err = send_request(c, method, params);

    if (err == OK)
        *msgid = c->msgid;
    explain(err, 0, &last, why);
    return err;
}

/* ERR_MISSING: none is whole yet. */
static enum error next_answer(struct control_client *c,
                              struct control_frame *out)
{
    enum error err;

    while ((err = next_frame(c, out)) == OK) {
        if (out->kind == CONTROL_RESPONSE)
            return OK;
        if (out->kind == CONTROL_NOTIFICATION && out->code.len > 0)
            return ERR_IO;
    }
    return err;
}

enum error control_client_take(struct control_client *c, uint64_t timeout,
                               struct control_frame *out, struct text *why)
{
    struct control_frame f = {0};
    enum error err;

    reply_forget();
    err = next_answer(c, &f);
    if (err == ERR_MISSING) {
        err = fill(c, timeout);
        if (err == OK)
            err = next_answer(c, &f);
    }
    if (err == ERR_MISSING)
        return ERR_TIMEOUT;
    if (err == OK)
        *out = f;
    explain(err, 0, &f, why);
    return err;
}
