/* SPDX-License-Identifier: MIT
 *
 * The life of a connection: made, settled whenever something has happened,
 * ended.
 */
#include "stream/stream_internal.h"

#include <assert.h>

/* The acceptor does not know the path's. */
#define RTT_ASSUMED (100 * TIME_MS)
#define ACK_THRESH  8
/* ngtcp2 can be due at once, again. */
#define DEADLINE_FLOOR TIME_MS

/* ---- ngtcp2's half of it ------------------------------------------------ */

static void fill_random(uint8_t *dest, size_t len, const ngtcp2_rand_ctx *ctx)
{
    struct streams *s = ctx->native_handle;

    s->env.random.fill(s->env.random.ctx, dest, len);
}

static void random_id(struct streams *s, ngtcp2_cid *id)
{
    id->datalen = STREAM_ID_BYTES;
    s->env.random.fill(s->env.random.ctx, id->data, STREAM_ID_BYTES);
}

/* The acceptor's alone are asked for: the opener's have no bytes. */
static int new_id(ngtcp2_conn *q, ngtcp2_cid *id, uint8_t *token, size_t len,
                  void *user_data)
{
    struct stream_conn *c = user_data;
    struct streams *s = c->streams;

    (void)q;
    assert(len == STREAM_ID_BYTES);
    random_id(s, id);
    id_token(s, id->data, token);
    return conn_add_id(c, id) == OK ? 0 : NGTCP2_ERR_CALLBACK_FAILURE;
}

void id_token(const struct streams *s, const uint8_t id[STREAM_ID_BYTES],
              uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN])
{
    crypto_generichash(token, NGTCP2_STATELESS_RESET_TOKENLEN, id,
                       STREAM_ID_BYTES, s->secret, sizeof(s->secret));
}

static int forgotten(ngtcp2_conn *q, const ngtcp2_pkt_stateless_reset *sr,
                     void *user_data)
{
    (void)q, (void)sr;
    conn_end(user_data, STREAM_END_CLOSED, 0, false);
    return 0;
}

static int remove_id(ngtcp2_conn *q, const ngtcp2_cid *id, void *user_data)
{
    (void)q;
    conn_remove_id(user_data, id);
    return 0;
}

/* First called when the handshake is left behind. */
static int id_used(ngtcp2_conn *q, ngtcp2_connection_id_status_type type,
                   uint64_t seq, const ngtcp2_cid *id, const uint8_t *token,
                   void *user_data)
{
    struct stream_conn *c = user_data;

    (void)q, (void)type, (void)seq, (void)id, (void)token;
    c->open = true;
    return 0;
}

static int challenge(ngtcp2_conn *q, uint8_t *data, void *user_data)
{
    struct stream_conn *c = user_data;

    (void)q;
    c->streams->env.random.fill(c->streams->env.random.ctx, data,
                                NGTCP2_PATH_CHALLENGE_DATALEN);
    return 0;
}

static ngtcp2_callbacks callbacks(void)
{
    ngtcp2_callbacks cb = {
        .rand = fill_random,
        .get_new_connection_id = new_id,
        .remove_connection_id = remove_id,
        .dcid_status = id_used,
        .recv_stateless_reset = forgotten,
        .get_path_challenge_data = challenge,
    };

    crypto_callbacks(&cb);
    data_callbacks(&cb);
    return cb;
}

/* Packets have one size. But ngtcp2 asserts that it may look for a larger one
 * when a path is moved back to, so there is one that is too large. */
static const uint16_t no_sizes[] = {STREAM_PACKET_MAX + 1};

static void set(struct streams *s, uint64_t rtt, ngtcp2_settings *settings)
{
    ngtcp2_settings_default(settings);
    settings->cc_algo = NGTCP2_CC_ALGO_BBR;
    settings->initial_ts = s->now;
    settings->initial_rtt = rtt == 0 ? RTT_ASSUMED : rtt;
    settings->max_tx_udp_payload_size = STREAM_PACKET_MAX;
    settings->no_tx_udp_payload_size_shaping = 1;
    settings->pmtud_probes = no_sizes;
    settings->pmtud_probeslen = 1;
    settings->ack_thresh = ACK_THRESH;
    settings->handshake_timeout = UINT64_MAX;
    settings->rand_ctx.native_handle = s;
}

enum error conn_open_quic(struct stream_conn *c, uint64_t rtt)
{
    struct streams *s = c->streams;
    const ngtcp2_callbacks cb = callbacks();
    const ngtcp2_cid none = {.datalen = 0};
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_path_storage path;
    ngtcp2_cid id;

    random_id(s, &id);
    set(s, rtt, &settings);
    crypto_params(s, true, &params);
    path_fill(&path, c->number_now);
    if (ngtcp2_conn_client_new(&c->quic, &id, &none, &path.path,
                               NGTCP2_PROTO_VER_V1, &cb, &settings, &params,
                               &c->mem, c) != 0) {
        c->quic = NULL;
        return ERR_NO_MEMORY;
    }
    return crypto_assume_grants(c);
}

enum error conn_accept_quic(struct stream_conn *c, const ngtcp2_pkt_hd *first)
{
    struct streams *s = c->streams;
    const ngtcp2_callbacks cb = callbacks();
    ngtcp2_settings settings;
    ngtcp2_transport_params params;
    ngtcp2_path_storage path;
    ngtcp2_cid id;

    random_id(s, &id);
    set(s, 0, &settings);
    crypto_params(s, false, &params);
    params.original_dcid = first->dcid;
    params.original_dcid_present = 1;
    id_token(s, id.data, params.stateless_reset_token);
    params.stateless_reset_token_present = 1;
    path_fill(&path, c->number_now);
    if (conn_add_id(c, &first->dcid) != OK || conn_add_id(c, &id) != OK)
        return ERR_NO_MEMORY;
    if (ngtcp2_conn_server_new(&c->quic, &first->scid, &id, &path.path,
                               NGTCP2_PROTO_VER_V1, &cb, &settings, &params,
                               &c->mem, c) != 0) {
        c->quic = NULL;
        return ERR_NO_MEMORY;
    }
    return OK;
}

enum error conn_add_id(struct stream_conn *c, const ngtcp2_cid *id)
{
    struct streams *s = c->streams;
    struct id_entry *e = memory_new(s, c, sizeof(*e));

    if (e == NULL)
        return ERR_NO_MEMORY;
    memcpy(e->id, id->data, STREAM_ID_BYTES);
    e->conn = c;
    if (keyed_table_add(&s->by_id, &e->entry) != OK) {
        memory_free(s, c, e, sizeof(*e));
        return ERR_NO_MEMORY;
    }
    e->next = c->ids;
    c->ids = e;
    return OK;
}

static void forget_id(struct stream_conn *c, struct id_entry **at)
{
    struct id_entry *e = *at;

    *at = e->next;
    keyed_table_remove(&c->streams->by_id, &e->entry);
    memory_free(c->streams, c, e, sizeof(*e));
}

void conn_remove_id(struct stream_conn *c, const ngtcp2_cid *id)
{
    for (struct id_entry **at = &c->ids; *at != NULL; at = &(*at)->next) {
        if (memcmp((*at)->id, id->data, STREAM_ID_BYTES) == 0) {
            forget_id(c, at);
            return;
        }
    }
}

/* ---- Life --------------------------------------------------------------- */

struct stream_conn *conn_new(struct streams *s, bool opener)
{
    struct stream_conn *c = memory_new(s, NULL, sizeof(*c));

    if (c == NULL)
        return NULL;
    if (heap_add(&s->timers, &c->timer) != OK) {
        memory_free(s, NULL, c, sizeof(*c));
        return NULL;
    }
    c->streams = s;
    c->opener = opener;
    c->memory = sizeof(*c);
    c->place = SIZE_MAX;
    c->rest_at = c->unanswered_at = TIME_NEVER;
    c->idle_at = s->now;
    TAILQ_INIT(&c->list);
    TAILQ_INIT(&c->ready);
    TAILQ_INIT(&c->changed);
    memory_for_quic(c);
    TAILQ_INSERT_TAIL(&s->conns, c, link);
    s->stats.connections++;
    return c;
}

void conn_free(struct stream_conn *c)
{
    struct streams *s = c->streams;

    if (c->quic != NULL)
        ngtcp2_conn_del(c->quic);
    while (!TAILQ_EMPTY(&c->list))
        stream_free(TAILQ_FIRST(&c->list));
    while (c->ids != NULL)
        forget_id(c, &c->ids);
    routes_deinit(c);
    conn_unlist(c);
    heap_remove(&s->timers, &c->timer);
    conn_unmark(c);
    TAILQ_REMOVE(&s->conns, c, link);
    s->stats.connections--;
    memory_free(s, NULL, c, sizeof(*c));
}

/* ---- Its end ------------------------------------------------------------ */

static void finish(struct stream_conn *c)
{
    struct streams *s = c->streams;

    if (c->tell_other && c->begun)
        conn_write_close(c);
    while (!TAILQ_EMPTY(&c->list)) {
        struct stream *st = TAILQ_FIRST(&c->list);

        stream_tell_closed(st);
        stream_free(st);
    }
    s->stats.ended[c->why]++;
    c->handler->over(c->holder, c, c->why, c->code, s->now);
    conn_free(c);
}

/* ---- Time --------------------------------------------------------------- */

/* The acceptor waits longer, so that it is the opener who ends it, who knows
 * whether he opens another stream. */
static uint64_t idle_end(const struct stream_conn *c)
{
    uint64_t wait = c->streams->config.idle_time;

    return time_after(c->idle_at, c->opener ? wait : wait + wait / 2);
}

static uint64_t answer_end(const struct stream_conn *c)
{
    return time_after(c->unanswered_at, c->streams->config.rest_time);
}

static uint64_t rest_end(const struct stream_conn *c)
{
    return time_after(c->rest_at, c->streams->config.rest_time);
}

static uint64_t deadline(const struct stream_conn *c)
{
    uint64_t floor = time_after(c->streams->now, DEADLINE_FLOOR);
    uint64_t at = idle_end(c), quic;

    if (c->path == 0)
        return time_min(at, rest_end(c));
    if (!c->begun && c->opener)
        return at;
    quic = ngtcp2_conn_get_expiry(c->quic);
    if (quic <= c->streams->now)
        quic = floor;
    return time_min(time_min(at, answer_end(c)), quic);
}

static bool waits_for_answer(const struct stream_conn *c)
{
    const struct stream *st;
    ngtcp2_conn_info info;

    ngtcp2_conn_get_conn_info(c->quic, &info);
    if (!c->answered || info.bytes_in_flight > 0)
        return true;
    for (st = TAILQ_FIRST(&c->list); st != NULL; st = TAILQ_NEXT(st, link)) {
        if (st->out.acked < st->out.sent)
            return true;
    }
    return false;
}

static void timer(struct stream_conn *c)
{
    uint64_t now = c->streams->now;
    int rv;

    if (c->path == 0 || (!c->begun && c->opener) ||
        ngtcp2_conn_get_expiry(c->quic) > now)
        return;
    rv = ngtcp2_conn_handle_expiry(c->quic, now);
    conn_failed(c, rv);
    if (rv == 0 && !c->opener)
        conn_follow(c);
}

void conn_tick(struct stream_conn *c)
{
    uint64_t now = c->streams->now;

    if (c->over)
        return;
    if (now >= idle_end(c))
        conn_end(c, STREAM_END_IDLE, 0, true);
    else if (c->path == 0 && now >= rest_end(c))
        conn_end(c, STREAM_END_TIMEOUT, 0, false);
    else if (now >= answer_end(c) && waits_for_answer(c))
        conn_end(c, STREAM_END_TIMEOUT, 0, true);
    else if (now >= answer_end(c))
        c->unanswered_at = TIME_NEVER;
    if (!c->over)
        timer(c);
    conn_mark(c);
}

/* ---- Settling ----------------------------------------------------------- */

/* The opener's first packet waits for data to go with it. */
static bool may_send(const struct stream_conn *c)
{
    return c->path != 0 && (c->begun || !c->opener || !TAILQ_EMPTY(&c->ready));
}

void conn_send_now(struct stream_conn *c)
{
    if (c->is_dirty)
        return;
    if (!c->over && c->moving)
        conn_apply_move(c);
    if (!c->over && may_send(c))
        conn_flush(c);
    if (c->over || !TAILQ_EMPTY(&c->changed))
        conn_mark(c);
    else if (!c->is_dirty)
        heap_set(&c->streams->timers, &c->timer, deadline(c));
}

void conn_settle(struct stream_conn *c)
{
    if (!c->over && c->moving)
        conn_apply_move(c);
    if (!c->over)
        conn_apply_streams(c);
    if (!c->over && may_send(c))
        conn_flush(c);
    if (!c->over)
        conn_offer_room(c);
    if (!c->over)
        conn_offer_streams(c);
    if (c->over)
        finish(c);
    else
        heap_set(&c->streams->timers, &c->timer, deadline(c));
}
