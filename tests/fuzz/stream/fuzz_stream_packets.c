/* SPDX-License-Identifier: MIT
 *
 * Two nodes with streams, after a handshake or in it. The input says what
 * happens: packets arrive or are lost, time passes, the holders write, read,
 * reset, move; and packets come whose frames are the input's, at either side,
 * with a header that is right, or without one. Memory stays within its bound.
 */
#include "fuzz.h"

#include "base/timestamp.h"
#include "stream/stream.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE   64
#define STREAMS 16
#define TAG     16
#define STEPS   400

struct queued {
    size_t len;
    uint64_t path;
    unsigned to;
    bool to_acceptor;
    uint8_t bytes[STREAM_PACKET_MAX];
};

struct side {
    struct world *w;
    unsigned index;
    struct streams *s;
    struct stream_conn *conn;
    struct stream *st[STREAMS];
    bool lazy; /* takes nothing */
};

struct world {
    struct side side[2];
    struct queued queue[QUEUE];
    size_t queued;
    uint64_t now, random, number, path;
    uint8_t id[STREAM_ID_BYTES]; /* the acceptor's, seen last */
};

/* ---- The world ---------------------------------------------------------- */

static void fill(void *ctx, void *buf, size_t len)
{
    struct side *side = ctx;
    uint8_t *p = buf;

    for (size_t i = 0; i < len; i++) {
        side->w->random = side->w->random * UINT64_C(6364136223846793005) + 1;
        p[i] = (uint8_t)(side->w->random >> 56);
    }
}

static void send(void *ctx, uint64_t path, bool to_acceptor,
                 struct bytes packet, uint64_t now)
{
    struct side *side = ctx;
    struct world *w = side->w;
    struct queued *q = &w->queue[w->queued];

    (void)now;
    assert(packet.len > 0 && packet.len <= STREAM_PACKET_MAX);
    if (to_acceptor && (packet.p[0] & 0x80) == 0)
        memcpy(w->id, packet.p + 1, sizeof(w->id));
    if (w->queued == QUEUE)
        return;
    *q = (struct queued){packet.len, path, !side->index, to_acceptor, {0}};
    memcpy(q->bytes, packet.p, packet.len);
    w->queued++;
}

static void receive(struct world *w, unsigned to, uint64_t path,
                    bool to_acceptor, uint8_t *bytes, size_t len)
{
    const struct endpoint source = {.addr = {9, 9, 9, 9}};
    uint8_t *copy = malloc(len == 0 ? 1 : len);

    assert(copy != NULL);
    memcpy(copy, bytes, len);
    streams_receive(w->side[to].s, path, to_acceptor,
                    to_acceptor ? &source : NULL, copy, len, w->now);
    free(copy);
}

static void deliver(struct world *w, size_t i)
{
    struct queued q;

    if (i >= w->queued)
        return;
    q = w->queue[i];
    w->queued--;
    memmove(&w->queue[i], &w->queue[i + 1],
            (w->queued - i) * sizeof(w->queue[0]));
    receive(w, q.to, q.path, q.to_acceptor, q.bytes, q.len);
}

/* ---- Holders ------------------------------------------------------------ */

static void keep(struct side *side, struct stream *st)
{
    for (size_t i = 0; i < STREAMS; i++) {
        if (side->st[i] == NULL) {
            side->st[i] = st;
            break;
        }
    }
    stream_hand_over(st, NULL, side);
}

static void opened(void *holder, struct stream *st, uint64_t now)
{
    (void)now;
    keep(holder, st);
}

static size_t data(void *arg, struct stream *st, struct bytes b, bool fin,
                   uint64_t now)
{
    const struct side *side = arg;

    (void)fin;
    if (b.len > 0)
        stream_write(st, bytes_of(b.p, b.len / 4 + 1), now);
    return side->lazy ? b.len / 2 : b.len;
}

static void writable(void *arg, struct stream *st, uint64_t now)
{
    (void)arg;
    stream_resume(st, now);
}

static void reset(void *arg, struct stream *st, bool reading, uint32_t code,
                  uint64_t now)
{
    (void)arg;
    if (code & 1)
        stream_reset(st, code, now);
    else if (reading)
        stream_finish(st, now);
}

static void closed(void *arg, struct stream *st, uint64_t now)
{
    struct side *side = arg;

    (void)now;
    for (size_t i = 0; i < STREAMS; i++) {
        if (side->st[i] == st)
            side->st[i] = NULL;
    }
}

static void openable(void *holder, struct stream_conn *c, uint64_t now)
{
    const struct side *side = holder;

    (void)now;
    assert(side->conn == c);
}

static void moved(void *holder, struct stream_conn *c, uint64_t path,
                  uint64_t now)
{
    (void)holder, (void)now;
    assert(stream_conn_path(c) == path);
}

static void over(void *holder, struct stream_conn *c, enum stream_end why,
                 uint32_t code, uint64_t now)
{
    struct side *side = holder;

    (void)code, (void)now;
    assert(stream_end_name(why) != NULL);
    if (side->conn == c)
        side->conn = NULL;
}

static const struct stream_handler handler = {opened, data,     writable, reset,
                                              closed, openable, moved,    over};

static const struct stream_handler *take(void *ctx, struct stream_conn *c,
                                         uint64_t path, void **holder)
{
    struct side *side = ctx;

    (void)path;
    side->conn = c;
    *holder = side;
    return &handler;
}

/* ---- What the input says ------------------------------------------------ */

static void connect(struct world *w)
{
    struct side *side = &w->side[0];

    if (side->conn == NULL &&
        stream_connect(side->s, ++w->path, 50 * TIME_MS, &handler, side, w->now,
                       &side->conn) != OK)
        side->conn = NULL;
}

static void open_stream(struct world *w)
{
    struct side *side = &w->side[0];
    struct stream *st;

    connect(w);
    if (side->conn == NULL || stream_open(side->conn, side, w->now, &st) != OK)
        return;
    keep(side, st);
    stream_write(st, bytes_of("hello", 5), w->now);
}

static void write_much(struct world *w, struct stream *st, uint8_t n)
{
    static const uint8_t zeros[16384];

    stream_write(st, bytes_of(zeros, (size_t)n * 64), w->now);
}

static void act(struct world *w, struct input *in)
{
    uint8_t what = input_take(in), n = input_take(in);
    struct side *side = &w->side[what >> 7];
    struct stream *st = side->st[n % STREAMS];

    switch (what % 8) {
    case 0:
        open_stream(w);
        break;
    case 1:
        if (st != NULL)
            write_much(w, st, input_take(in));
        break;
    case 2:
        if (st != NULL)
            stream_finish(st, w->now);
        break;
    case 3:
        if (st != NULL)
            stream_reset(st, n, w->now);
        break;
    case 4:
        if (w->side[0].conn != NULL)
            stream_move(w->side[0].conn, ++w->path, w->now);
        break;
    case 5:
        streams_path_gone(side->s, w->path - n % 2, w->now);
        break;
    case 6:
        side->lazy = n & 1;
        if (st != NULL)
            stream_resume(st, w->now);
        break;
    case 7:
        if (side->conn != NULL && n % 8 == 0)
            stream_conn_close(side->conn, n, w->now);
        break;
    }
}

static void pass_time(struct world *w, uint8_t n)
{
    w->now += (uint64_t)n * n * 100 * TIME_US;
    for (unsigned i = 0; i < 2; i++) {
        if (streams_next_deadline(w->side[i].s) <= w->now)
            streams_tick(w->side[i].s, w->now);
    }
}

/* What comes before the frames; the length of long packets is filled in. */
static size_t head(struct world *w, uint8_t how, bool to_acceptor, size_t len,
                   uint8_t *out)
{
    size_t at = 0;

    if (how % 4 == 3) { /* long: INITIAL, 0RTT, HANDSHAKE */
        out[at++] = (uint8_t)(0xc3 | (how >> 2 & 3) << 4);
        memcpy(out + at, "\0\0\0\1", 4);
        at += 4;
        out[at++] = to_acceptor ? STREAM_ID_BYTES : 0;
    } else {
        out[at++] = 0x43;
    }
    if (to_acceptor) {
        memcpy(out + at, w->id, sizeof(w->id));
        at += sizeof(w->id);
    }
    if (how % 4 == 3) {
        out[at++] = 0;
        if ((how >> 2 & 3) == 0)
            out[at++] = 0; /* no token */
        if (how & 0x20)
            len = STREAM_PACKET_MAX - TAG - at - 2 - 4;
        bytes_put_number(out + at, 2, 0x4000 | (len + 4 + TAG));
        at += 2;
    }
    bytes_put_number(out + at, 4, ++w->number);
    return at + 4;
}

static void forge(struct world *w, struct input *in)
{
    uint8_t how = input_take(in), out[STREAM_PACKET_MAX] = {0};
    size_t len = input_take(in), at = 0;
    unsigned to = how >> 7;
    bool to_acceptor = to == ((how & 0x40) == 0);

    if (len > in->left)
        len = in->left;
    if (how % 4 != 0)
        at = head(w, how, to_acceptor, len, out);
    memcpy(out + at, in->p, len);
    in->p += len;
    in->left -= len;
    at += len;
    if (how & 0x20) /* as long as a first packet */
        at = sizeof(out) - TAG;
    bytes_put_number(out + at + TAG - 8, 8, w->number);
    at += TAG;
    receive(w, to, w->path - (how >> 4 & 1), to_acceptor, out, at);
}

static void step(struct world *w, struct input *in)
{
    uint8_t what = input_take(in);

    switch (what % 8) {
    case 0:
        pass_time(w, input_take(in));
        break;
    case 1:
        act(w, in);
        break;
    case 2:
        w->queued -= w->queued > 0; /* the newest is lost */
        break;
    case 3:
        deliver(w, input_take(in)); /* out of order */
        break;
    case 4:
    case 5:
        forge(w, in);
        break;
    default:
        for (size_t i = w->queued; i > 0; i--)
            deliver(w, 0);
    }
}

static void set_up(struct world *w, const struct stream_config *config)
{
    w->now = TIME_HOUR;
    w->random = 1;
    w->number = 1000;
    w->path = 1;
    for (unsigned i = 0; i < 2; i++) {
        struct side *side = &w->side[i];
        const struct stream_env env = {side, {side, fill}, send, take};

        side->w = w;
        side->index = i;
        if (streams_new(config, &env, &side->s) != OK)
            abort();
    }
}

static void shake_hands(struct world *w)
{
    open_stream(w);
    for (unsigned i = 0; i < 4; i++) {
        for (size_t k = w->queued; k > 0; k--)
            deliver(w, 0);
        pass_time(w, 16);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct world w;
    struct stream_config config;
    struct input in = {bytes, size};

    stream_config_init(&config);
    config.max_connections = 3;
    config.max_memory = 2000000;
    memset(&w, 0, sizeof(w));
    set_up(&w, &config);
    if (input_take(&in) & 1)
        shake_hands(&w);
    else
        connect(&w);
    for (unsigned i = 0; i < STEPS && in.left > 0; i++) {
        step(&w, &in);
        for (unsigned k = 0; k < 2; k++)
            assert(streams_stats(w.side[k].s)->memory <= config.max_memory);
    }
    for (unsigned i = 0; i < 2; i++)
        streams_free(w.side[i].s);
    return 0;
}
