/* SPDX-License-Identifier: MIT
 */
#include "node/control/control_frame.h"

static void read_error(struct mp_reader *r, struct control_frame *f)
{
    uint32_t pairs;

    if (mp_peek(r) == MP_NIL) {
        mp_read_nil(r);
        return;
    }
    pairs = mp_read_map(r, 8);
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

/* Leaves `f->value` at the map of params, or at the end without one. */
static void read_params(struct mp_reader *r, struct control_frame *f)
{
    uint32_t count = mp_read_array(r, 1);

    f->value = *r;
    if (count == 0)
        f->value.at = f->value.end;
}

static void read_rest(struct mp_reader *r, uint32_t count,
                      struct control_frame *f)
{
    switch (f->kind) {
    case CONTROL_REQUEST:
        f->msgid = (uint32_t)mp_read_uint(r, UINT32_MAX);
        f->method = mp_read_bytes(r, 1, CONTROL_METHOD_MAX);
        read_params(r, f);
        break;
    case CONTROL_RESPONSE:
        f->msgid = (uint32_t)mp_read_uint(r, UINT32_MAX);
        read_error(r, f);
        f->value = *r;
        break;
    case CONTROL_NOTIFICATION:
        f->method = mp_read_bytes(r, 1, CONTROL_METHOD_MAX);
        if (mp_read_array(r, 2) != 2)
            mp_fail(r, ERR_MISSING);
        f->msgid = (uint32_t)mp_read_uint(r, UINT32_MAX);
        f->value = *r;
        break;
    }
    if (count != (f->kind == CONTROL_NOTIFICATION ? 3 : 4))
        mp_fail(r, ERR_MISSING);
}

enum error control_frame_read(struct mp_tape *tape, struct bytes in,
                              size_t *used, struct control_frame *out)
{
    struct control_frame f = {0};
    struct mp_reader r;
    size_t len;
    uint32_t count;

    mp_reader_parse_first(&r, tape, in, &len);
    count = mp_read_array(&r, 4);
    f.kind = (enum control_kind)mp_read_uint(&r, CONTROL_NOTIFICATION);
    if (r.err == OK)
        read_rest(&r, count, &f);
    if (r.err != OK)
        return r.err;
    *used = len;
    *out = f;
    return OK;
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

void control_write_error(struct mp_writer *w, uint32_t msgid, const char *code,
                         const char *text)
{
    mp_write_array(w, 4);
    mp_write_uint(w, CONTROL_RESPONSE);
    mp_write_uint(w, msgid);
    mp_write_map(w, 2);
    mp_write_text(w, "code");
    mp_write_text(w, code);
    mp_write_text(w, "text");
    mp_write_text(w, text);
    mp_write_nil(w);
}
