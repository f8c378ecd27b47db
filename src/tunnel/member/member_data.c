/* SPDX-License-Identifier: MIT
 *
 * Data over circuits of our own: datagrams of any length, speed tests, and
 * what comes back. What is kept with a circuit is its struct member_client. The
 * two functions at the head serve both sides: member_send_data cuts into
 * pieces, member_take_piece puts together (also for member_exit.c).
 */
#include "tunnel/member/member_internal.h"

#include "base/timestamp.h"

#include <stdlib.h>

#define REPORT_PAUSE (250 * TIME_MS)
#define TEST_PAD     1152 /* a multiple of 64 below SPEEDTEST_PAD_MAX */
#define TEST_WINDOW  256
/* Relays let bursts of a quarter of a megabyte pass, which tell little. */
#define TEST_COUNTS   (3 * TIME_S)
#define DATA_TEXT_MAX PIECE_MESSAGE_MAX

/* ---- Long messages ------------------------------------------------------ */

static enum error
send_pieces(struct bytes text, uint16_t id,
            enum error (*send)(void *ctx, const struct circuit_message *),
            void *ctx)
{
    unsigned count = piece_count(text.len);
    enum error e = OK;

    for (unsigned i = 0; i < count && e == OK; i++) {
        struct piece p = piece_cut(text, id, i);
        struct circuit_message m = {.type = CIRCUIT_PIECE,
                                    .piece_id = p.id,
                                    .piece_index = p.index,
                                    .piece_count = p.count,
                                    .payload = p.bytes};

        e = send(ctx, &m);
    }
    return e;
}

enum error member_send_data(const struct circuit_message *m, uint16_t *piece_id,
                            enum error (*send)(void *ctx,
                                               const struct circuit_message *),
                            void *ctx)
{
    uint8_t text[DATA_TEXT_MAX];
    size_t len;
    enum error e;

    if (m->payload.len <= PIECE_BYTES) {
        e = send(ctx, m);
        if (e != ERR_NO_SPACE)
            return e;
    }
    if (circuit_message_write(m, text, sizeof(text), &len) != OK)
        return ERR_TOO_LARGE;
    return send_pieces(bytes_of(text, len), (*piece_id)++, send, ctx);
}

bool member_take_piece(struct member *t, struct pieces *pieces,
                       const struct circuit_message *m, uint64_t now,
                       struct circuit_message *out)
{
    struct piece p = {.id = m->piece_id,
                      .index = m->piece_index,
                      .count = m->piece_count,
                      .bytes = m->payload};
    struct bytes whole;

    t->own_deadline = time_min(t->own_deadline, time_after(now, TIME_S));
    return pieces_receive(pieces, &t->budget, &p, now, &whole) == OK &&
           whole.len > 0 && circuit_message_read(whole, out) == OK &&
           out->type == CIRCUIT_DATA;
}

/* ---- Sending ------------------------------------------------------------ */

struct member_client *member_client_of(struct circuit *c)
{
    if (c->above == NULL)
        c->above = calloc(1, sizeof(struct member_client));
    return c->above;
}

struct send_ctx {
    struct member *t;
    struct circuit *c;
    uint64_t now;
};

static enum error send_one(void *ctx, const struct circuit_message *m)
{
    struct send_ctx *s = ctx;

    return circuit_send(s->t->router.circuits, s->c, s->c->length, m, s->now);
}

static struct circuit *find_ready(struct member *t, uint32_t id)
{
    struct circuit *c = member_find(t, id);

    return c != NULL && c->state == CIRCUIT_READY ? c : NULL;
}

static enum error send_message(struct member *t, uint32_t id,
                               const struct circuit_message *m, uint64_t now)
{
    struct circuit *c = find_ready(t, id);
    struct send_ctx s = {.t = t, .c = c, .now = now};
    struct member_client *client;

    if (c == NULL)
        return ERR_NOT_FOUND;
    client = member_client_of(c);
    if (client == NULL)
        return ERR_NO_MEMORY;
    c->used_at = now;
    return member_send_data(m, &client->piece_id, send_one, &s);
}

enum error member_data(struct member *t, uint32_t circuit,
                       const struct endpoint *to, struct bytes payload,
                       uint64_t now)
{
    struct circuit_message m = {
        .type = CIRCUIT_DATA, .ep = *to, .payload = payload};

    if (!endpoint_is_usable(to))
        return ERR_ADDRESS;
    return send_message(t, circuit, &m, now);
}

enum error member_data_name(struct member *t, uint32_t circuit,
                            struct bytes name, uint16_t port,
                            struct bytes payload, uint64_t now)
{
    struct circuit_message m = {
        .type = CIRCUIT_DATA, .name = name, .port = port, .payload = payload};

    if (name.len == 0 || name.len > CIRCUIT_NAME_MAX || port == 0)
        return ERR_SYNTAX;
    return send_message(t, circuit, &m, now);
}

enum error member_packet(struct member *t, uint32_t circuit,
                         struct bytes packet, uint64_t now)
{
    const struct circuit_message m = {.type = CIRCUIT_PACKET_IN,
                                      .payload = packet};
    struct circuit *c = find_ready(t, circuit);

    if (packet.len == 0 || packet.len > CIRCUIT_PACKET_MAX)
        return ERR_TOO_LARGE;
    if (c == NULL)
        return ERR_NOT_FOUND;
    return circuit_send(t->router.circuits, c, c->length, &m, now);
}

enum error member_ping(struct member *t, uint32_t circuit, uint64_t now)
{
    struct circuit *c = find_ready(t, circuit);

    if (c == NULL)
        return ERR_NOT_FOUND;
    for (unsigned hop = 1; hop <= c->length; hop++)
        circuit_ping(t->router.circuits, c, hop, now);
    return OK;
}

/* ---- Speed test --------------------------------------------------------- */

static void send_tests(struct member *t, struct circuit *c, struct speedtest *s,
                       uint64_t now)
{
    uint8_t pad[TEST_PAD];
    struct circuit_message m = {.type = CIRCUIT_TEST,
                                .payload = bytes_of(pad, sizeof(pad))};

    while (speedtest_next(s, now, &m.nonce, pad))
        circuit_send(t->router.circuits, c, c->length, &m, now);
    c->used_at = now;
}

enum error member_speedtest(struct member *t, uint32_t circuit,
                            uint64_t duration, uint64_t now)
{
    struct speedtest_config config = {.id = random_u32(&t->env.random),
                                      .duration = duration,
                                      .window = TEST_WINDOW,
                                      .pad = TEST_PAD,
                                      .answer_pad = TEST_PAD};
    struct circuit *c = find_ready(t, circuit);
    struct member_client *client;
    enum error e;

    if (c == NULL)
        return ERR_NOT_FOUND;
    client = member_client_of(c);
    if (client == NULL)
        return ERR_NO_MEMORY;
    if (client->speedtest != NULL)
        return ERR_IN_USE;
    e = speedtest_new(&config, &client->speedtest);
    if (e != OK)
        return e;
    client->reported_at = now;
    client->test_counts = duration >= TEST_COUNTS;
    client->test_replaced = c->replaced_ever;
    send_tests(t, c, client->speedtest, now);
    t->own_deadline =
        time_min(t->own_deadline, speedtest_next_deadline(client->speedtest));
    return OK;
}

/* The hops are those that it began with. */
static void learn(struct member *t, const struct circuit *c,
                  const struct member_client *client)
{
    if (client->test_counts && client->test_replaced == c->replaced_ever)
        member_path_measured(t, c, speedtest_proven(client->speedtest));
}

static void report(struct member *t, struct circuit *c,
                   struct member_client *client, bool done, uint64_t now)
{
    struct member_event event = {.kind = MEMBER_SPEEDTEST,
                                 .circuit = c->id,
                                 .length = c->length,
                                 .done = done};

    client->reported_at = now;
    speedtest_get_report(client->speedtest, &event.report);
    if (done) {
        learn(t, c, client);
        speedtest_free(client->speedtest);
        client->speedtest = NULL;
    }
    member_tell(t, &event);
}

static void go_on(struct member *t, struct circuit *c,
                  struct member_client *client, uint64_t now)
{
    send_tests(t, c, client->speedtest, now);
    if (speedtest_is_done(client->speedtest, now))
        report(t, c, client, true, now);
    else if (time_since(client->reported_at, now) >= REPORT_PAUSE)
        report(t, c, client, false, now);
}

/* ---- Receiving ---------------------------------------------------------- */

static void tell_packet(struct member *t, const struct circuit *c,
                        struct bytes packet)
{
    const struct member_event event = {.kind = MEMBER_PACKET,
                                       .circuit = c->id,
                                       .length = c->length,
                                       .hop = c->length,
                                       .payload = packet};

    member_tell_data(t, &event);
}

void member_client_data(void *ctx, struct circuit *c,
                        const struct circuit_message *m, uint64_t now)
{
    struct member *t = ctx;
    struct member_client *client;
    struct circuit_message whole;
    struct member_event event = {
        .kind = MEMBER_DATA, .circuit = c->id, .length = c->length};

    if (m->type == CIRCUIT_PACKET_BACK) {
        tell_packet(t, c, m->payload);
        return;
    }
    client = member_client_of(c);
    if (client == NULL)
        return;
    if (m->type == CIRCUIT_PIECE) {
        if (!member_take_piece(t, &client->pieces, m, now, &whole) ||
            whole.name.len > 0)
            return;
        m = &whole;
    }
    c->used_at = now;
    event.source = m->ep;
    event.payload = m->payload;
    member_tell_data(t, &event);
}

void member_client_answered(void *ctx, struct circuit *c, unsigned hop,
                            const struct circuit_message *m, uint64_t now)
{
    struct member *t = ctx;
    struct member_client *client = c->above;
    struct member_event event = {.kind = MEMBER_PONG,
                                 .circuit = c->id,
                                 .length = c->length,
                                 .hop = hop,
                                 .rtt = c->hop[hop - 1].rtt};

    if (m->type == CIRCUIT_PONG) {
        member_tell(t, &event);
        return;
    }
    if (client == NULL || client->speedtest == NULL || hop != c->length)
        return;
    if (speedtest_receive(client->speedtest, m->nonce, m->payload, now) == OK)
        go_on(t, c, client, now);
}

/* Of a circuit for data; a service keeps something else above its own. */
static struct member_client *client_of(const struct circuit *c)
{
    return c->use == CIRCUIT_FOR_DATA ? c->above : NULL;
}

void member_client_tick(struct member *t, struct circuit *c, uint64_t now)
{
    struct member_client *client = client_of(c);

    if (client == NULL)
        return;
    pieces_tick(&client->pieces, &t->budget, now);
    if (client->speedtest == NULL)
        return;
    speedtest_tick(client->speedtest, now);
    if (c->state == CIRCUIT_READY)
        go_on(t, c, client, now);
}

uint64_t member_client_deadline(const struct circuit *c)
{
    const struct member_client *client = client_of(c);
    uint64_t at;

    if (client == NULL)
        return TIME_NEVER;
    at = pieces_next_deadline(&client->pieces);
    if (client->speedtest != NULL)
        at = time_min(at, speedtest_next_deadline(client->speedtest));
    return at;
}

void member_client_free(struct member *t, struct circuit *c)
{
    struct member_client *client = c->above;

    if (client == NULL)
        return;
    pieces_deinit(&client->pieces, &t->budget);
    speedtest_free(client->speedtest);
    free(client);
    c->above = NULL;
}
