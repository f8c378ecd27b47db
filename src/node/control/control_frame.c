/* SPDX-License-Identifier: MIT
 *
 * The layout of each kind of frame, once for reading and once for writing.
 * One reader serves both ends: the daemon reads requests, its clients the rest.
 */
#include "node/control/control_frame.h"

/* {"code": , "text": }, in any order. */
static void read_reason(struct mp_reader *r, struct control_frame *f)
{
    uint32_t pairs = mp_read_map(r, 8);

    for (; pairs > 0 && r->err == OK; pairs--) {
        struct bytes key = mp_read_bytes(r, 0, CONTROL_METHOD_MAX);

        if (bytes_equal(key, bytes_of_text("code")))
            f->code = mp_read_bytes(r, 1, CONTROL_METHOD_MAX);
        else if (bytes_equal(key, bytes_of_text("text")))
            f->text = mp_read_bytes(r, 0, CONTROL_REQUEST_MAX);
        else
            mp_skip(r);
    }
}

static void read_error(struct mp_reader *r, struct control_frame *f)
{
    if (mp_peek(r) == MP_NIL)
        mp_read_nil(r);
    else
        read_reason(r, f);
}

/* Leaves `f->value` at the map of params, or at the end without one. */
static void read_params(struct mp_reader *r, struct control_frame *f)
{
    uint32_t count = mp_read_array(r, 1);

    f->value = *r;
    if (count == 0)
        f->value.at = f->value.end;
}

/* What is wrong with it; NULL: nothing. */
static const char *read_request(struct mp_reader *r, uint32_t count,
                                struct control_frame *f)
{
    if (count != 4)
        return "a request has four elements: [0, msgid, method, [params]]";
    f->method = mp_read_bytes(r, 1, CONTROL_METHOD_MAX);
    if (r->err != OK)
        return "the third element of a request, its method, must be text of 1 "
               "to 64 bytes: [0, msgid, method, [params]]";
    read_params(r, f);
    if (r->err != OK)
        return "the fourth element of a request must be a list with one map "
               "of parameters, or with none: [0, msgid, method, [params]]";
    return NULL;
}

static void make_bad(struct control_frame *f, const char *wrong)
{
    *f = (struct control_frame){.kind = CONTROL_BAD_REQUEST,
                                .msgid = f->msgid,
                                .text = bytes_of_text(wrong)};
}

/* Once its msgid is known it can be answered, whatever comes then. */
static void take_request(struct mp_reader *r, uint32_t count,
                         struct control_frame *f)
{
    struct mp_reader rest;
    const char *wrong;

    f->msgid = (uint32_t)mp_read_uint(r, UINT32_MAX);
    rest = *r;
    wrong = read_request(&rest, count, f);
    if (wrong != NULL)
        make_bad(f, wrong);
}

static void read_response(struct mp_reader *r, uint32_t count,
                          struct control_frame *f)
{
    f->msgid = (uint32_t)mp_read_uint(r, UINT32_MAX);
    read_error(r, f);
    f->value = *r;
    if (count != 4)
        mp_fail(r, ERR_SYNTAX);
}

static void read_notification(struct mp_reader *r, uint32_t count,
                              struct control_frame *f)
{
    f->method = mp_read_bytes(r, 1, CONTROL_METHOD_MAX);
    if (mp_read_array(r, 2) != 2 || count != 3)
        mp_fail(r, ERR_SYNTAX);
    f->msgid = (uint32_t)mp_read_uint(r, UINT32_MAX);
    f->value = *r;
    if (bytes_is_text(f->method, CONTROL_CLOSED))
        read_reason(r, f);
}

enum error control_frame_read(struct mp_tape *tape, struct bytes in,
                              size_t *used, struct control_frame *out)
{
    struct control_frame f = {0};
    struct mp_reader r;
    size_t len;
    uint32_t count;

    mp_reader_parse_first(&r, tape, in, &len);
    if (r.err != OK)
        return r.err;
    count = mp_read_array(&r, UINT32_MAX);
    f.kind = (enum control_kind)mp_read_uint(&r, CONTROL_NOTIFICATION);
    if (f.kind == CONTROL_RESPONSE)
        read_response(&r, count, &f);
    else if (f.kind == CONTROL_NOTIFICATION)
        read_notification(&r, count, &f);
    else
        take_request(&r, count, &f);
    if (r.err != OK)
        return r.err == ERR_MISSING ? ERR_SYNTAX : r.err;
    *used = len;
    *out = f;
    return OK;
}

/* ---- What clients send -------------------------------------------------- */

/* `r` is at the first element. */
static const char *say_no_request(struct mp_reader r)
{
    uint64_t kind = mp_read_uint(&r, UINT64_MAX);

    if (r.err == OK && kind == CONTROL_RESPONSE)
        return "this is a response, and the daemon asks nothing: send "
               "requests, [0, msgid, method, [params]]";
    if (r.err == OK && kind == CONTROL_NOTIFICATION)
        return "this is a notification, and the daemon takes none: send "
               "requests, [0, msgid, method, [params]]";
    return "the first element of a frame must be 0, which makes it a request: "
           "[0, msgid, method, [params]]";
}

/* ERR_SYNTAX: it has no msgid. */
static enum error take_client_frame(struct mp_reader *r,
                                    struct control_frame *f)
{
    uint32_t count = mp_read_array(r, UINT32_MAX);
    struct mp_reader first = *r, rest;
    bool is_request;

    if (r->err != OK) {
        make_bad(f, "a frame must be a list: [0, msgid, method, [params]]");
        return ERR_SYNTAX;
    }
    rest = first;
    is_request = mp_read_uint(&rest, CONTROL_REQUEST) == 0 && rest.err == OK;
    mp_skip(r);
    rest = *r;
    f->msgid = (uint32_t)mp_read_uint(&rest, UINT32_MAX);
    if (!is_request)
        make_bad(f, say_no_request(first));
    else if (rest.err != OK)
        make_bad(f, "the second element of a request, its msgid, must be a "
                    "number from 0 to 2^32 - 1: [0, msgid, method, [params]]");
    else
        take_request(r, count, f);
    return rest.err == OK ? OK : ERR_SYNTAX;
}

enum error control_frame_read_request(struct mp_tape *tape, struct bytes in,
                                      size_t *used, struct control_frame *out)
{
    struct control_frame f = {.kind = CONTROL_REQUEST};
    struct mp_reader r;
    enum error err;
    size_t len;

    mp_reader_parse_first(&r, tape, in, &len);
    if (r.err != OK)
        return r.err;
    err = take_client_frame(&r, &f);
    *used = len;
    *out = f;
    return err;
}

void control_write_request(struct mp_writer *w, uint32_t msgid,
                           const char *method)
{
    mp_write_array(w, 4);
    mp_write_uint(w, CONTROL_REQUEST);
    mp_write_uint(w, msgid);
    mp_write_text(w, method);
    mp_write_array(w, 1);
}

void control_write_response(struct mp_writer *w, uint32_t msgid)
{
    mp_write_array(w, 4);
    mp_write_uint(w, CONTROL_RESPONSE);
    mp_write_uint(w, msgid);
    mp_write_nil(w);
}

void control_write_notification(struct mp_writer *w, uint32_t msgid,
                                const char *method)
{
    mp_write_array(w, 3);
    mp_write_uint(w, CONTROL_NOTIFICATION);
    mp_write_text(w, method);
    mp_write_array(w, 2);
    mp_write_uint(w, msgid);
}

static void write_reason(struct mp_writer *w, const char *code,
                         const char *text)
{
    mp_write_map(w, 2);
    mp_write_text(w, "code");
    mp_write_text(w, code);
    mp_write_text(w, "text");
    mp_write_text(w, text);
}

void control_write_closed(struct mp_writer *w, const char *code,
                          const char *text)
{
    control_write_notification(w, 0, CONTROL_CLOSED);
    write_reason(w, code, text);
}

void control_write_error(struct mp_writer *w, uint32_t msgid, const char *code,
                         const char *text)
{
    mp_write_array(w, 4);
    mp_write_uint(w, CONTROL_RESPONSE);
    mp_write_uint(w, msgid);
    write_reason(w, code, text);
    mp_write_nil(w);
}
