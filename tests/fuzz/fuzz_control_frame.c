/* SPDX-License-Identifier: MIT
 *
 * Frames of the control socket, and what is picked out of them: a frame is
 * read from itself alone and from no part of it, its views lie inside of it, a
 * request can be written and reads as the same. Parameters that are taken are
 * within their limits.
 */
#include "fuzz.h"

#include "node/control/control_frame.h"
#include "node/control/reply.h"
#include "node/rpc/rpc_params.h"

#include <assert.h>
#include <string.h>

static struct mp_token tokens[2][CONTROL_REQUEST_TOKENS];

static enum error read_frame(int tape_number, struct bytes in, size_t *used,
                             struct control_frame *f)
{
    struct mp_tape tape = {.tokens = tokens[tape_number],
                           .cap = CONTROL_REQUEST_TOKENS};

    return control_frame_read(&tape, in, used, f);
}

static void check_inside(struct bytes frame, struct bytes view)
{
    assert(view.len == 0 ||
           (view.p >= frame.p && view.p + view.len <= frame.p + frame.len));
}

/* What is written ends with a zero; false when one is in the midst of it. */
static bool copy_text(struct bytes b, char *out)
{
    if (b.len > 0)
        memcpy(out, b.p, b.len);
    out[b.len] = '\0';
    return strlen(out) == b.len;
}

static void check_request(const struct control_frame *f)
{
    uint8_t buf[CONTROL_METHOD_MAX + 32];
    char method[CONTROL_METHOD_MAX + 1];
    struct control_frame again;
    struct mp_writer w;
    size_t used;

    assert(f->method.len >= 1 && f->method.len <= CONTROL_METHOD_MAX);
    if (!copy_text(f->method, method))
        return;
    mp_writer_init(&w, buf, sizeof(buf));
    control_write_request(&w, f->msgid, method);
    mp_write_map(&w, 0);
    assert(w.err == OK);
    assert(read_frame(1, mp_writer_bytes(&w), &used, &again) == OK);
    assert(again.kind == CONTROL_REQUEST && used == w.len);
    assert(again.msgid == f->msgid && bytes_equal(again.method, f->method));
}

/* What the daemon writes of the same. */
static void check_written(const struct control_frame *f)
{
    static uint8_t buf[CONTROL_REQUEST_MAX + 256];
    static char code[CONTROL_METHOD_MAX + 1], text[CONTROL_REQUEST_MAX + 1];
    char method[CONTROL_METHOD_MAX + 1];
    bool failed = f->code.len > 0;
    struct control_frame again;
    struct mp_writer w;
    size_t used;

    if (!copy_text(f->method, method) || !copy_text(f->code, code) ||
        !copy_text(f->text, text) ||
        (!failed && bytes_is_text(f->method, CONTROL_CLOSED)))
        return;
    mp_writer_init(&w, buf, sizeof(buf));
    if (f->kind == CONTROL_RESPONSE && failed) {
        control_write_error(&w, f->msgid, code, text);
    } else if (f->kind == CONTROL_RESPONSE) {
        control_write_response(&w, f->msgid);
        mp_write_nil(&w);
    } else if (failed) {
        control_write_closed(&w, code, text);
    } else {
        control_write_notification(&w, f->msgid, method);
        mp_write_nil(&w);
    }
    assert(w.err == OK);
    assert(read_frame(1, mp_writer_bytes(&w), &used, &again) == OK);
    assert(again.kind == f->kind && used == w.len);
    assert(bytes_equal(again.code, f->code));
    assert(!failed || bytes_equal(again.text, f->text));
}

/* What the command line asks an answer for, and how. */
static void pick(struct mp_reader map, unsigned depth)
{
    struct mp_reader at;
    uint32_t count;

    (void)reply_text(map, "text");
    (void)reply_uint(map, "port");
    (void)reply_double(map, "rtt");
    (void)reply_bool(map, "ok");
    assert(strlen(reply_text(map, "a")) < REPLY_TEXT_SIZE);
    count = reply_array(map, "nodes", &at);
    for (; count > 0 && at.err == OK && depth < 4; count--) {
        pick(at, depth + 1);
        mp_skip(&at);
    }
    if (depth < 4 && reply_find(map, "more", &at))
        pick(at, depth + 1);
}

static void check_params(struct mp_reader r, uint64_t allowed)
{
    struct rpc_params p;
    struct text why;

    text_init(&why, 1024);
    if (rpc_params_read(&r, 0, allowed, &p, &why) == OK) {
        assert((p.has & ~allowed) == 0 && why.len == 0);
        assert(!(p.has & RPC_ADDRESS) || p.address.family < FAMILIES);
        assert(!(p.has & RPC_VALUE) || p.value.len <= sizeof(p.value.mp));
    } else {
        assert(why.len > 0);
    }
    text_deinit(&why);
}

/* What the daemon makes of it: a request, or what is wrong with it. */
static void check_client_frame(struct bytes in)
{
    struct mp_tape tape = {.tokens = tokens[0], .cap = CONTROL_REQUEST_TOKENS};
    struct control_frame f = {.kind = CONTROL_RESPONSE};
    size_t used = 0;
    enum error err = control_frame_read_request(&tape, in, &used, &f);

    if (err != OK && f.kind == CONTROL_RESPONSE)
        return; /* no msgpack */
    assert(used > 0 && used <= in.len);
    assert(f.kind == CONTROL_REQUEST || f.kind == CONTROL_BAD_REQUEST);
    assert(f.kind == CONTROL_REQUEST || f.text.len > 0);
    assert(err == OK || f.kind == CONTROL_BAD_REQUEST);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    struct control_frame f, again;
    size_t used, same;

    check_client_frame(in);
    if (read_frame(0, in, &used, &f) != OK)
        return 0;
    assert(used > 0 && used <= size && f.kind <= CONTROL_BAD_REQUEST);
    assert(read_frame(1, bytes_of(data, used), &same, &again) == OK);
    assert(same == used && again.kind == f.kind && again.msgid == f.msgid);
    assert(read_frame(1, bytes_of(data, used - 1), &same, &again) ==
           ERR_MISSING);
    check_inside(in, f.method);
    check_inside(in, f.code);
    if (f.kind != CONTROL_BAD_REQUEST)
        check_inside(in, f.text);
    if (f.kind == CONTROL_REQUEST) {
        check_request(&f);
        check_params(f.value, UINT64_MAX);
        check_params(f.value, RPC_ADDRESS | RPC_HASH);
    } else if (f.kind != CONTROL_BAD_REQUEST) {
        check_written(&f);
        pick(f.value, 0);
        reply_forget();
    }
    return 0;
}
