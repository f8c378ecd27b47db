/* SPDX-License-Identifier: MIT
 *
 * msgpack-c's unpacking template, instantiated with callbacks that lay tokens
 * on a tape. Counts that a peer claims are checked against the room that is
 * left on it before anything depends on them.
 */
#include "wire/msgpack/mp_reader.h"

#include <assert.h>

/* The template has this many levels on its own stack, and refuses more. */
#define MSGPACK_EMBED_STACK_SIZE MP_DEPTH_MAX
#include <msgpack/unpack.h>
#include <msgpack/unpack_define.h>

/* ---- Onto the tape ------------------------------------------------------ */

struct unpack_user {
    struct mp_tape *tape;
    enum error err;
};

static struct mp_token *add(struct unpack_user *u, enum mp_type type)
{
    struct mp_tape *tape = u->tape;

    if (tape->count == tape->cap) {
        u->err = ERR_TOO_LARGE;
        return NULL;
    }
    tape->tokens[tape->count].type = (uint8_t)type;
    tape->tokens[tape->count].count = 0;
    return &tape->tokens[tape->count++];
}

static int add_uint(struct unpack_user *u, uint64_t value)
{
    struct mp_token *t = add(u, MP_UINT);

    if (t == NULL)
        return -1;
    t->as.u = value;
    return 0;
}

static int add_int(struct unpack_user *u, int64_t value)
{
    struct mp_token *t;

    if (value >= 0)
        return add_uint(u, (uint64_t)value);
    t = add(u, MP_INT);
    if (t == NULL)
        return -1;
    t->as.i = value;
    return 0;
}

static int add_double(struct unpack_user *u, double value)
{
    struct mp_token *t = add(u, MP_DOUBLE);

    if (t == NULL)
        return -1;
    t->as.d = value;
    return 0;
}

static int add_bool(struct unpack_user *u, bool value)
{
    struct mp_token *t = add(u, MP_BOOL);

    if (t == NULL)
        return -1;
    t->as.b = value;
    return 0;
}

static int add_nil(struct unpack_user *u)
{
    return add(u, MP_NIL) == NULL ? -1 : 0;
}

static int add_string(struct unpack_user *u, enum mp_type type, const char *p,
                      unsigned len)
{
    struct mp_token *t = add(u, type);

    if (t == NULL)
        return -1;
    t->count = len;
    t->as.p = (const uint8_t *)p;
    return 0;
}

static int add_container(struct unpack_user *u, enum mp_type type,
                         unsigned count)
{
    struct mp_token *t;

    if (count > u->tape->cap - u->tape->count) {
        u->err = ERR_TOO_LARGE;
        return -1;
    }
    t = add(u, type);
    if (t == NULL)
        return -1;
    t->count = count;
    return 0;
}

static int refuse(struct unpack_user *u)
{
    u->err = ERR_NOT_MSGPACK;
    return -1;
}

/* The template's callbacks. It hands around an object that means nothing to a
 * tape; an int that is always 0 stands in for it. */
#define tape_uint8(u, d, o)  (*(o) = 0, add_uint(u, d))
#define tape_uint16(u, d, o) (*(o) = 0, add_uint(u, d))
#define tape_uint32(u, d, o) (*(o) = 0, add_uint(u, d))
#define tape_uint64(u, d, o) (*(o) = 0, add_uint(u, d))
#define tape_int8(u, d, o)   (*(o) = 0, add_int(u, d))
#define tape_int16(u, d, o)  (*(o) = 0, add_int(u, d))
#define tape_int32(u, d, o)  (*(o) = 0, add_int(u, d))
#define tape_int64(u, d, o)  (*(o) = 0, add_int(u, d))
#define tape_float(u, d, o)  (*(o) = 0, add_double(u, (double)(d)))
#define tape_double(u, d, o) (*(o) = 0, add_double(u, d))
#define tape_nil(u, o)       (*(o) = 0, add_nil(u))
#define tape_true(u, o)      (*(o) = 0, add_bool(u, true))
#define tape_false(u, o)     (*(o) = 0, add_bool(u, false))
#define tape_array(u, n, o)  (*(o) = 0, add_container(u, MP_ARRAY, n))
#define tape_map(u, n, o)    (*(o) = 0, add_container(u, MP_MAP, n))
#define tape_str(u, base, p, len, o) \
    ((void)(base), *(o) = 0, add_string(u, MP_STR, p, len))
#define tape_bin(u, base, p, len, o) \
    ((void)(base), *(o) = 0, add_string(u, MP_BIN, p, len))
#define tape_ext(u, base, p, len, o) \
    ((void)(base), (void)(p), (void)(len), *(o) = 0, refuse(u))
#define tape_root(u)                  ((void)(u), 0)
#define tape_array_item(u, c, item)   ((void)(item), 0)
#define tape_map_item(u, c, key, val) ((void)(key), (void)(val), 0)

#define msgpack_unpack_struct(name)    struct unpack##name
#define msgpack_unpack_func(ret, name) static ret unpack##name
#define msgpack_unpack_callback(name)  tape##name
#define msgpack_unpack_object          int
#define msgpack_unpack_user            struct unpack_user

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wcast-qual"
#pragma GCC diagnostic ignored "-Wimplicit-fallthrough"
#include <msgpack/unpack_template.h>
#pragma GCC diagnostic pop

enum error mp_parse_first(struct mp_tape *tape, struct bytes in, size_t *used)
{
    struct unpack_context ctx;
    size_t offset = 0;
    int r;

    tape->count = 0;
    if (in.len == 0)
        return ERR_MISSING;
    ctx.user = (struct unpack_user){.tape = tape};
    unpack_init(&ctx);
    r = unpack_execute(&ctx, (const char *)in.p, in.len, &offset);
    if (r == MSGPACK_UNPACK_NOMEM_ERROR)
        return ERR_TOO_DEEP;
    if (r < 0)
        return ctx.user.err != OK ? ctx.user.err : ERR_NOT_MSGPACK;
    if (r == 0)
        return ERR_MISSING;
    *used = offset;
    return OK;
}

enum error mp_parse(struct mp_tape *tape, struct bytes in)
{
    size_t used;
    enum error err = mp_parse_first(tape, in, &used);

    if (err == ERR_MISSING)
        return ERR_NOT_MSGPACK;
    if (err == OK && used != in.len)
        return ERR_TRAILING;
    return err;
}

/* ---- Off the tape ------------------------------------------------------- */

void mp_reader_init(struct mp_reader *r, const struct mp_tape *tape)
{
    *r = (struct mp_reader){.at = tape->tokens,
                            .end = tape->tokens + tape->count};
}

void mp_fail(struct mp_reader *r, enum error err)
{
    if (r->err == OK)
        r->err = err;
    r->at = r->end; /* so that whatever is read next finds nothing */
}

void mp_reader_parse(struct mp_reader *r, struct mp_tape *tape, struct bytes in)
{
    enum error err = mp_parse(tape, in);

    mp_reader_init(r, tape);
    if (err != OK)
        mp_fail(r, err);
}

void mp_reader_parse_first(struct mp_reader *r, struct mp_tape *tape,
                           struct bytes in, size_t *used)
{
    enum error err = mp_parse_first(tape, in, used);

    mp_reader_init(r, tape);
    if (err != OK)
        mp_fail(r, err);
}

static bool is_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] != 0)
            return false;
    }
    return true;
}

void mp_reader_parse_padded(struct mp_reader *r, struct mp_tape *tape,
                            struct bytes in)
{
    size_t used;

    mp_reader_parse_first(r, tape, in, &used);
    if (r->err == OK && !is_zero(in.p + used, in.len - used))
        mp_fail(r, ERR_TRAILING);
}

enum mp_type mp_peek(const struct mp_reader *r)
{
    return r->at == r->end ? MP_NIL : (enum mp_type)r->at->type;
}

/* The next token if it has one of two types, else NULL and a failure. */
static const struct mp_token *take(struct mp_reader *r, enum mp_type a,
                                   enum mp_type b)
{
    if (r->at == r->end) {
        mp_fail(r, ERR_MISSING);
        return NULL;
    }
    if (r->at->type != a && r->at->type != b) {
        mp_fail(r, ERR_WRONG_TYPE);
        return NULL;
    }
    return r->at++;
}

static uint32_t read_container(struct mp_reader *r, enum mp_type type,
                               uint32_t max)
{
    const struct mp_token *t = take(r, type, type);

    if (t == NULL)
        return 0;
    if (t->count > max) {
        mp_fail(r, ERR_TOO_LARGE);
        return 0;
    }
    return t->count;
}

uint32_t mp_read_map(struct mp_reader *r, uint32_t max)
{
    return read_container(r, MP_MAP, max);
}

uint32_t mp_read_array(struct mp_reader *r, uint32_t max)
{
    return read_container(r, MP_ARRAY, max);
}

void mp_read_nil(struct mp_reader *r)
{
    take(r, MP_NIL, MP_NIL);
}

bool mp_read_bool(struct mp_reader *r)
{
    const struct mp_token *t = take(r, MP_BOOL, MP_BOOL);

    return t != NULL && t->as.b;
}

uint64_t mp_read_uint(struct mp_reader *r, uint64_t max)
{
    const struct mp_token *t = take(r, MP_UINT, MP_INT);

    if (t == NULL)
        return 0;
    if (t->type == MP_INT || t->as.u > max) {
        mp_fail(r, ERR_RANGE);
        return 0;
    }
    return t->as.u;
}

int64_t mp_read_int(struct mp_reader *r)
{
    const struct mp_token *t = take(r, MP_UINT, MP_INT);

    if (t == NULL)
        return 0;
    if (t->type == MP_INT)
        return t->as.i;
    if (t->as.u > INT64_MAX) {
        mp_fail(r, ERR_RANGE);
        return 0;
    }
    return (int64_t)t->as.u;
}

double mp_read_double(struct mp_reader *r)
{
    const struct mp_token *t;

    if (mp_peek(r) == MP_UINT)
        return (double)mp_read_uint(r, UINT64_MAX);
    if (mp_peek(r) == MP_INT)
        return (double)mp_read_int(r);
    t = take(r, MP_DOUBLE, MP_DOUBLE);
    return t == NULL ? 0 : t->as.d;
}

struct bytes mp_read_bytes(struct mp_reader *r, size_t min, size_t max)
{
    const struct mp_token *t = take(r, MP_STR, MP_BIN);

    if (t == NULL)
        return bytes_of(NULL, 0);
    if (t->count < min || t->count > max) {
        mp_fail(r, ERR_WRONG_LENGTH);
        return bytes_of(NULL, 0);
    }
    return bytes_of(t->as.p, t->count);
}

void mp_read_fixed(struct mp_reader *r, uint8_t *out, size_t len)
{
    struct bytes b = mp_read_bytes(r, len, len);

    if (b.p != NULL)
        memcpy(out, b.p, len);
}

void mp_skip(struct mp_reader *r)
{
    uint64_t left = 1; /* objects that are still to be passed */

    for (; left > 0 && r->at != r->end; r->at++, left--) {
        if (r->at->type == MP_ARRAY)
            left += r->at->count;
        else if (r->at->type == MP_MAP)
            left += 2 * (uint64_t)r->at->count;
    }
    if (left > 0)
        mp_fail(r, ERR_MISSING);
}
