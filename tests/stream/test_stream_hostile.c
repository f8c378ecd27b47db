/* SPDX-License-Identifier: MIT
 *
 * Ends that do not keep to the protocol. Without cryptography the frames of a
 * packet can be replaced on the way, which is what a modified library would
 * send; an honest party is served meanwhile.
 */
#include "stream_world.h"

#define TAG 16

static struct stream_config config;

static struct world *start(void)
{
    stream_config_init(&config);
    return world_new(9, &config);
}

static void check_honest(struct world *w, struct flow *f, uint64_t total)
{
    assert_true(world_until(w, &f->fin, TIME_MIN));
    assert_int_equal(f->in, total);
    assert_false(f->wrong);
}

/* ---- Garbage ------------------------------------------------------------ */

static size_t make_garbage(struct world *w, uint8_t *packet)
{
    size_t len = 1 + test_random_below(&w->random, STREAM_PACKET_MAX);

    test_random_fill(&w->random, packet, len);
    if (one_in(w, 3000) && len > 20) { /* looks like an INITIAL */
        packet[0] = 0xc0;
        memcpy(packet + 1, "\0\0\0\1\10", 5);
        packet[14] = 0;
    }
    return len;
}

static void test_stream_hostile_garbage(void **state)
{
    struct world *w = start();
    const struct stream_stats *s = streams_stats(w->side[ACCEPTOR].s);
    struct endpoint source = {.addr = {9, 9, 9, 9}};
    struct flow *f;

    (void)state;
    w->like.echo = true;
    f = world_flow(w, world_connect(w, 1), 1 << 20);
    f->seed_in = f->seed;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t packet[STREAM_PACKET_MAX];
        size_t len = make_garbage(w, packet);

        streams_receive(w->side[i & 1].s, 2, i & 2, &source, packet, len,
                        w->now);
        world_run(w, 50 * TIME_US);
    }
    check_honest(w, f, 1 << 20);
    assert_true(s->dropped_unknown > 1000 && s->dropped_invalid > 10);
    assert_true(s->connections < 200);
    world_run(w, 4 * TIME_MIN);
    assert_int_equal(s->memory, 0);
    world_free(w);
}

static void test_stream_hostile_lengths(void **state)
{
    struct world *w = start();
    struct endpoint source = {.addr = {9, 9, 9, 9}};
    uint8_t packet[STREAM_PACKET_MAX + 1] = {0xc0};

    (void)state;
    for (unsigned to = 0; to < 2; to++) {
        assert_int_equal(
            streams_receive(w->side[0].s, 1, to, &source, packet, 0, w->now),
            ERR_WRONG_LENGTH);
        assert_int_equal(streams_receive(w->side[0].s, 1, to, &source, packet,
                                         sizeof(packet), w->now),
                         ERR_WRONG_LENGTH);
    }
    world_free(w);
}

/* ---- Frames ------------------------------------------------------------- */

static const struct bad_frames {
    const char *what, *hex;
    unsigned to;
    bool harmless;
} bad_frames[] = {
    {"ack of what was never sent", "02 80100000 00 00 00", ACCEPTOR, false},
    {"ack of what was never sent", "02 80100000 00 00 00", OPENER, false},
    {"ack below 0", "02 02 00 00 40ff", ACCEPTOR, false},
    {"the 10,000th stream", "08 80009c40 61", ACCEPTOR, false},
    {"reset of the 10,000th", "04 80009c40 00 00", ACCEPTOR, false},
    {"stop of the 10,000th", "05 80009c40 00", ACCEPTOR, false},
    {"a stream of one way", "08 02 61", ACCEPTOR, false},
    {"a stream of the acceptor", "08 01 61", OPENER, false},
    {"a stream that is not the acceptor's", "08 01 61", ACCEPTOR, false},
    {"a stream that was not opened", "08 40c0 61", OPENER, false},
    {"data beyond the window", "0c 00 80ffffff 61", ACCEPTOR, false},
    {"data at the end of all", "0e 00 ffffffffffffffff 01 61", ACCEPTOR, false},
    {"reset beyond the window", "04 00 00 80ffffff", ACCEPTOR, false},
    {"reset to less than came", "04 00 00 00", ACCEPTOR, false},
    {"window of a stream that is not", "11 40c0 4100", OPENER, false},
    {"too many streams allowed", "12 d000000000000001", OPENER, false},
    {"a connection id",
     "18 01 00 08 0102030405060708"
     " 000102030405060708090a0b0c0d0e0f",
     ACCEPTOR, false},
    {"retires what it was not given", "19 40ff", ACCEPTOR, false},
    {"a token", "07 04 01020304", ACCEPTOR, false},
    {"handshake done", "1e", ACCEPTOR, false},
    {"crypto", "06 00 01 00", ACCEPTOR, false},
    {"crypto far away", "06 80100000 01 00", ACCEPTOR, false},
    {"a datagram", "31 01 61", ACCEPTOR, false},
    {"an unknown frame", "40ff", ACCEPTOR, false},
    {"a frame that is cut", "0e 00 00 4fff 61", ACCEPTOR, false},
    {"nothing", "", ACCEPTOR, true},
    {"challenges",
     "1a 0102030405060708 1a 0102030405060709 1a 010203040506070a"
     " 1a 010203040506070b 1a 010203040506070c 1a 010203040506070d"
     " 1a 010203040506070e 1a 010203040506070f 1a 0102030405060710",
     ACCEPTOR, true},
    {"a response to nothing", "1b 0102030405060708", ACCEPTOR, true},
    {"blocked", "14 4100 15 00 4100 16 4100", ACCEPTOR, true},
};

static const struct bad_frames *plan;

static bool is_short(const struct world_packet *p)
{
    return (p->bytes[0] & 0x80) == 0;
}

/* The first packet of ordinary form over path 1 gets these frames. */
static bool replace_frames(struct world *w, struct world_packet *p)
{
    size_t number = (p->bytes[0] & 3U) + 1;
    size_t head = 1 + (p->to_acceptor ? STREAM_ID_BYTES : 0U) + number;
    struct bytes frames;
    uint8_t tag[TAG];

    (void)w;
    if (plan == NULL || p->path != 1 || p->to != plan->to || !is_short(p) ||
        w->now < WORLD_START + 200 * TIME_MS)
        return true;
    frames = test_hex(plan->hex);
    memcpy(tag, p->bytes + p->len - TAG, TAG);
    memset(p->bytes + head, 0, sizeof(p->bytes) - head); /* PADDING */
    memcpy(p->bytes + head, frames.p, frames.len);
    p->len = head + frames.len + 4 + TAG;
    memcpy(p->bytes + p->len - TAG, tag, TAG);
    plan = NULL;
    return true;
}

static void test_stream_hostile_frames(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad_frames); i++) {
        const struct bad_frames *bad = &bad_frames[i];
        struct world *w = start();
        struct world_side *victim = &w->side[bad->to];
        struct flow *f, *g;

        print_message("%s\n", bad->what);
        w->like.echo = true;
        w->paths[1].rate = w->paths[2].rate = 1000000;
        g = world_flow(w, world_connect(w, 1), 1 << 20);
        f = world_flow(w, world_connect(w, 2), 1 << 20);
        f->seed_in = f->seed;
        plan = bad;
        w->tap = replace_frames;
        world_run(w, 300 * TIME_MS);
        assert_null(plan);
        if (bad->harmless) {
            assert_int_equal(victim->over, 0);
        } else {
            assert_int_equal(victim->over, 1);
            assert_int_equal(victim->why, STREAM_END_PROTOCOL);
            assert_int_equal(g->closed, bad->to == OPENER || g->st == NULL);
        }
        check_honest(w, f, 1 << 20);
        world_free(w);
    }
}

/* ---- The handshake ------------------------------------------------------ */

static struct {
    unsigned to;
    size_t at;
    uint8_t value;
    bool done;
} change;

static bool change_byte(struct world *w, struct world_packet *p)
{
    (void)w;
    if (p->path == 1 && p->to == change.to && !change.done) {
        change.done = true;
        if (change.at < p->len)
            p->bytes[change.at] = change.value;
    }
    return true;
}

/* Each byte of what each end says first, which is where its parameters are. */
static void test_stream_hostile_handshake(void **state)
{
    static const uint8_t values[] = {0x00, 0x3f, 0x40, 0xbf, 0xff};

    (void)state;
    for (change.to = 0; change.to < 2; change.to++) {
        for (change.at = 0; change.at < 250; change.at++) {
            struct world *w = start();
            struct flow *f;

            change.value = values[(change.at * 7) % COUNT_OF(values)];
            change.done = false;
            w->tap = change_byte;
            w->like.echo = true;
            world_flow(w, world_connect(w, 1), 20000);
            f = world_flow(w, world_connect(w, 2), 20000);
            f->seed_in = f->seed;
            world_run(w, 500 * TIME_MS);
            check_honest(w, f, 20000);
            for (unsigned i = 0; i < 2; i++)
                assert_true(streams_stats(w->side[i].s)->memory < 1 << 20);
            world_free(w);
        }
    }
}

/* The acceptor's packets of ordinary form are replaced by one that ends the
 * handshake, right behind its own word. */
static size_t handshake_len(const struct world_packet *p)
{
    size_t at = 0;

    while ((p->bytes[at] & 0x80) != 0) {
        bool initial = (p->bytes[at] & 0x30) == 0;

        at += 1 + 4 + 1 + 1 + STREAM_ID_BYTES + initial;
        at += 4 + (bytes_get_number(p->bytes + at, 4) & 0x3fffffff);
    }
    return at;
}

static bool say_done(struct world *w, struct world_packet *p)
{
    static const uint8_t done[] = {0x40, 40, 0x1e, 0, 0, 0};
    size_t at;

    (void)w;
    if (p->to != OPENER || p->path != 1 || (p->bytes[0] & 0x80) == 0)
        return true;
    at = handshake_len(p);
    memset(p->bytes + at, 0, sizeof(p->bytes) - at);
    memcpy(p->bytes + at, done, sizeof(done));
    p->len = at + sizeof(done) + TAG;
    p->bytes[p->len - 1] = done[1];
    return true;
}

static void test_stream_hostile_done_too_early(void **state)
{
    struct world *w = start();
    struct flow *f;

    (void)state;
    w->tap = say_done;
    w->like.echo = true;
    world_flow(w, world_connect(w, 1), 20000);
    f = world_flow(w, world_connect(w, 2), 20000);
    f->seed_in = f->seed;
    world_run(w, 500 * TIME_MS);
    check_honest(w, f, 20000);
    world_free(w);
}

/* ---- Who knows a connection's id ---------------------------------------- */

/* A packet that somebody else has kept, said again over another path: what is
 * old moves nothing. */
static bool repeat_elsewhere(struct world *w, struct world_packet *p)
{
    const struct endpoint source = world_source(w, 3);
    uint8_t copy[STREAM_PACKET_MAX];

    if (p->to == ACCEPTOR && is_short(p)) {
        memcpy(copy, p->bytes, p->len);
        streams_receive(w->side[ACCEPTOR].s, 1, true, &source, p->bytes, p->len,
                        w->now);
        streams_receive(w->side[ACCEPTOR].s, 3, true, &source, copy, p->len,
                        w->now);
        return false;
    }
    return true;
}

static void test_stream_hostile_repeated_elsewhere(void **state)
{
    struct world *w = start();
    struct flow *f;

    (void)state;
    w->tap = repeat_elsewhere;
    w->paths[1].rate = 1000000;
    w->like.echo = true;
    f = world_flow(w, world_connect(w, 1), 1 << 20);
    f->seed_in = f->seed;
    check_honest(w, f, 1 << 20);
    assert_int_equal(stream_conn_path(w->side[ACCEPTOR].conn), 1);
    assert_int_equal(w->side[ACCEPTOR].moved, 0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_hostile_garbage),
        cmocka_unit_test(test_stream_hostile_lengths),
        cmocka_unit_test(test_stream_hostile_frames),
        cmocka_unit_test(test_stream_hostile_handshake),
        cmocka_unit_test(test_stream_hostile_done_too_early),
        cmocka_unit_test(test_stream_hostile_repeated_elsewhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
