/* SPDX-License-Identifier: MIT */
#include "node/control/control_frame.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TOKENS 64

static enum error read_frame(struct bytes in, size_t *used,
                             struct control_frame *out)
{
    static struct mp_token tokens[TOKENS];
    struct mp_tape tape = {.tokens = tokens, .cap = TOKENS};

    return control_frame_read(&tape, in, used, out);
}

static void test_control_frame_request(void **state)
{
    uint8_t buf[128];
    struct mp_writer w;
    struct control_frame f;
    size_t used;

    (void)state;
    mp_writer_init(&w, buf, sizeof(buf));
    control_write_request(&w, 7, "dht.ping");
    mp_write_map(&w, 1);
    mp_write_text(&w, "address");
    mp_write_text(&w, "127.0.0.1:1");
    assert_int_equal(read_frame(mp_writer_bytes(&w), &used, &f), OK);
    assert_int_equal(used, w.len);
    assert_int_equal(f.kind, CONTROL_REQUEST);
    assert_int_equal(f.msgid, 7);
    assert_true(bytes_equal(f.method, bytes_of_text("dht.ping")));
    assert_int_equal(mp_read_map(&f.value, 1), 1);
    assert_true(
        bytes_equal(mp_read_bytes(&f.value, 0, 16), bytes_of_text("address")));
}

/* A stream: each cut of two frames is either not whole or gives the first. */
static void test_control_frame_stream(void **state)
{
    uint8_t buf[256];
    struct mp_writer w;
    size_t first;

    (void)state;
    mp_writer_init(&w, buf, sizeof(buf));
    control_write_response(&w, 1);
    mp_write_map(&w, 0);
    first = w.len;
    control_write_notification(&w, 2, "step");
    mp_write_map(&w, 0);
    for (size_t len = 0; len <= w.len; len++) {
        struct control_frame f = {.msgid = 99};
        size_t used = 0;
        enum error err = read_frame(bytes_of(buf, len), &used, &f);

        assert_int_equal(err, len < first ? ERR_MISSING : OK);
        assert_int_equal(used, len < first ? 0 : first);
        assert_int_equal(f.msgid, len < first ? 99 : 1);
    }
}

static void test_control_frame_error(void **state)
{
    uint8_t buf[128];
    struct mp_writer w;
    struct control_frame f;
    size_t used;

    (void)state;
    mp_writer_init(&w, buf, sizeof(buf));
    control_write_error(&w, 3, "timeout", "nobody answered");
    assert_int_equal(read_frame(mp_writer_bytes(&w), &used, &f), OK);
    assert_int_equal(f.kind, CONTROL_RESPONSE);
    assert_int_equal(f.msgid, 3);
    assert_true(bytes_equal(f.code, bytes_of_text("timeout")));
    assert_true(bytes_equal(f.text, bytes_of_text("nobody answered")));
}

static void test_control_frame_notification(void **state)
{
    uint8_t buf[128];
    struct mp_writer w;
    struct control_frame f;
    size_t used;

    (void)state;
    mp_writer_init(&w, buf, sizeof(buf));
    control_write_notification(&w, 9, "peer");
    mp_write_text(&w, "x");
    assert_int_equal(read_frame(mp_writer_bytes(&w), &used, &f), OK);
    assert_int_equal(f.kind, CONTROL_NOTIFICATION);
    assert_int_equal(f.msgid, 9);
    assert_true(bytes_equal(f.method, bytes_of_text("peer")));
    assert_true(bytes_equal(mp_read_bytes(&f.value, 0, 8), bytes_of_text("x")));
}

static void test_control_frame_refuses(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum error err;
    } rows[] = {
        {"\xc1", 1, ERR_NOT_MSGPACK},
        {"\x80", 1, ERR_WRONG_TYPE},              /* a map */
        {"\x90", 1, ERR_SYNTAX},                  /* [] */
        {"\x91\x00", 2, ERR_SYNTAX},              /* [0] */
        {"\x91\x05", 2, ERR_RANGE},               /* no such kind */
        {"\x91\x03", 2, ERR_RANGE},               /* nor this */
        {"\x94\x00\xff\xa1m\x90", 6, ERR_RANGE},  /* msgid -1 */
        {"\x93\x01\x01\xc0", 4, ERR_SYNTAX},      /* no result */
        {"\x92\x02\xa1m", 4, ERR_SYNTAX},         /* no params */
        {"\x93\x02\xa1m\x91\x01", 6, ERR_SYNTAX}, /* no value */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct control_frame f = {.msgid = 99};
        size_t used = 0;

        assert_int_equal(
            read_frame(bytes_of(rows[i].bytes, rows[i].len), &used, &f),
            rows[i].err);
        assert_int_equal(used, 0);
        assert_int_equal(f.msgid, 99);
    }
}

static enum error read_client_frame(const char *bytes, size_t len, size_t *used,
                                    struct control_frame *f)
{
    static struct mp_token tokens[64];
    struct mp_tape tape = {.tokens = tokens, .cap = 64};

    return control_frame_read_request(&tape, bytes_of(bytes, len), used, f);
}

/* What is no request is answered by its second element, or not at all. */
static void test_control_frame_of_clients(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum error err;
        const char *says;
    } rows[] = {
        {"\x94\x00\x07\xa1m\x90", 6, OK, NULL},
        {"\x94\x01\x07\xc0\xc0", 5, OK, "response"},
        {"\x93\x01\x07\xc0", 4, OK, "response"},
        {"\x93\x02\x07\x90", 4, OK, "notification"},
        {"\x93\x02\xa1m\x90", 5, ERR_SYNTAX, "notification"},
        {"\x93\x02\xa1m\x92\x07\x80", 7, ERR_SYNTAX, "notification"},
        {"\x94\x07\x07\xa1m\x90", 6, OK, "first element"},
        {"\x94\xa1x\x07\xa1m\x90", 7, OK, "first element"},
        {"\x94\x90\x07\xa1m\x90", 6, OK, "first element"},
        {"\x91\x05", 2, ERR_SYNTAX, "first element"},
        {"\x94\x00\xff\xa1m\x90", 6, ERR_SYNTAX, "msgid"},
        {"\x94\x00\xc0\xa1m\x90", 6, ERR_SYNTAX, "msgid"},
        {"\x92\x00\x07", 3, OK, "four elements"},
        {"\x94\x00\x07\x05\x90", 5, OK, "method"},
        {"\x94\x00\x07\xa1m\x80", 6, OK, "parameters"},
        {"\x80", 1, ERR_SYNTAX, "list"},
        {"\x07", 1, ERR_SYNTAX, "list"},
        {"\x90", 1, ERR_SYNTAX, "first element"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct control_frame f = {0};
        size_t used = 0;
        enum error err =
            read_client_frame(rows[i].bytes, rows[i].len, &used, &f);

        assert_int_equal(err, rows[i].err);
        assert_int_equal(used, rows[i].len);
        if (rows[i].says == NULL) {
            assert_int_equal(f.kind, CONTROL_REQUEST);
            continue;
        }
        assert_int_equal(f.kind, CONTROL_BAD_REQUEST);
        assert_int_equal(f.msgid, err == OK ? 7 : f.msgid);
        assert_non_null(strstr((const char *)f.text.p, rows[i].says));
    }
}

/* Everything after the msgid is wrong: there is somebody to tell. */
static void test_control_frame_bad_request(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\x92\x00\x07", 3},                  /* cut short */
        {"\x93\x00\x07\xa1m", 5},             /* no params */
        {"\x94\x00\x07\xa1m\x80", 6},         /* params no array */
        {"\x94\x00\x07\xa1m\x92\xc0\xc0", 8}, /* two of them */
        {"\x94\x00\x07\xa0\x90", 5},          /* no method */
        {"\x94\x00\x07\x05\x90", 5},          /* a number */
        {"\x94\x00\x07\x90\xa1m", 6},         /* the other way round */
        {"\x95\x00\x07\xa1m\x90\xc0", 7},     /* one too many */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct control_frame f;
        size_t used = 0;

        assert_int_equal(
            read_frame(bytes_of(rows[i].bytes, rows[i].len), &used, &f), OK);
        assert_int_equal(f.kind, CONTROL_BAD_REQUEST);
        assert_int_equal(f.msgid, 7);
        assert_int_equal(used, rows[i].len);
    }
}

static void test_control_frame_closed(void **state)
{
    uint8_t buf[128];
    struct mp_writer w;
    struct control_frame f;
    size_t used;

    (void)state;
    mp_writer_init(&w, buf, sizeof(buf));
    control_write_closed(&w, "cancelled", "the daemon stops");
    assert_int_equal(read_frame(mp_writer_bytes(&w), &used, &f), OK);
    assert_int_equal(f.kind, CONTROL_NOTIFICATION);
    assert_int_equal(f.msgid, 0);
    assert_true(bytes_is_text(f.method, CONTROL_CLOSED));
    assert_true(bytes_is_text(f.code, "cancelled"));
    assert_true(bytes_is_text(f.text, "the daemon stops"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_control_frame_request),
        cmocka_unit_test(test_control_frame_stream),
        cmocka_unit_test(test_control_frame_error),
        cmocka_unit_test(test_control_frame_notification),
        cmocka_unit_test(test_control_frame_refuses),
        cmocka_unit_test(test_control_frame_bad_request),
        cmocka_unit_test(test_control_frame_closed),
        cmocka_unit_test(test_control_frame_of_clients),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
