/* SPDX-License-Identifier: MIT
 *
 * Packets come in: whose they are, and who may make a connection.
 */
#include "stream/stream_internal.h"

#include <stdlib.h>

/* ---- Making way --------------------------------------------------------- */

static bool tell(const void *table, size_t place, struct holding *out)
{
    const struct streams *s = table;
    const struct stream_conn *c = s->accepted[place];

    if (c->over)
        return false;
    out->source = c->source;
    out->used_at = c->idle_at == TIME_NEVER ? s->now : c->idle_at;
    out->doubled = 0;
    return true;
}

static enum error make_way(struct streams *s, const struct endpoint *source)
{
    size_t place = shares_make_way(&s->shares, source, s->accepted_count, tell,
                                   s, s->config.idle_time / 8, s->now);

    if (place == SIZE_MAX)
        return ERR_FULL;
    conn_end(s->accepted[place], STREAM_END_ROOM, 0, true);
    return OK;
}

static unsigned living(const struct streams *s)
{
    unsigned n = 0;

    for (size_t i = 0; i < s->accepted_count; i++)
        n += !s->accepted[i]->over;
    return n;
}

static enum error reserve_place(struct streams *s)
{
    size_t cap = s->accepted_cap == 0 ? 8 : 2 * s->accepted_cap;
    struct stream_conn **accepted;

    if (s->accepted_count < s->accepted_cap)
        return OK;
    accepted = realloc(s->accepted, cap * sizeof(struct stream_conn *));
    if (accepted == NULL)
        return ERR_NO_MEMORY;
    s->accepted = accepted;
    s->accepted_cap = cap;
    return OK;
}

static enum error conn_list(struct stream_conn *c,
                            const struct endpoint *source)
{
    struct streams *s = c->streams;
    enum error err = reserve_place(s);

    if (err == OK)
        err = shares_add(&s->shares, source);
    if (err != OK)
        return err;
    c->source = *source;
    c->place = s->accepted_count;
    s->accepted[s->accepted_count++] = c;
    return OK;
}

void conn_unlist(struct stream_conn *c)
{
    struct streams *s = c->streams;

    if (c->place == SIZE_MAX)
        return;
    shares_remove(&s->shares, &c->source);
    s->accepted[c->place] = s->accepted[--s->accepted_count];
    s->accepted[c->place]->place = c->place;
    c->place = SIZE_MAX;
}

/* ---- A connection that is no more --------------------------------------- */

/* A packet of ordinary form: its sender gets to know, by a shorter one. */
static void tell_forgotten(struct streams *s, uint64_t path,
                           const ngtcp2_version_cid *vc, size_t len)
{
    uint8_t token[NGTCP2_STATELESS_RESET_TOKENLEN], noise[16], out[64];
    ngtcp2_ssize n;

    if (vc->version != 0 || vc->dcidlen != STREAM_ID_BYTES ||
        len <= sizeof(noise) + sizeof(token))
        return;
    id_token(s, vc->dcid, token);
    s->env.random.fill(s->env.random.ctx, noise, sizeof(noise));
    n = ngtcp2_pkt_write_stateless_reset(out, sizeof(out), token, noise,
                                         sizeof(noise));
    if (n > 0)
        s->env.send(s->env.ctx, path, false, bytes_of(out, (size_t)n), s->now);
}

/* ---- A new connection --------------------------------------------------- */

/* 0, 0: whoever has no source is one party. */
static const struct endpoint nobody;

static enum error begin(struct stream_conn *c, uint64_t path,
                        const struct endpoint *source,
                        const ngtcp2_pkt_hd *first)
{
    struct streams *s = c->streams;
    struct route *r;
    enum error err = conn_list(c, source);

    if (err != OK)
        return err;
    r = route_add(c, path);
    if (r == NULL)
        return ERR_NO_MEMORY;
    r->number = c->number_now = c->numbers = 1;
    c->path = path;
    c->handler = s->env.accept(s->env.ctx, c, path, &c->holder);
    if (c->handler == NULL)
        return ERR_UNSUPPORTED;
    return conn_accept_quic(c, first);
}

static bool is_first(const uint8_t *packet, size_t len, ngtcp2_pkt_hd *hd)
{
    return ngtcp2_accept(hd, packet, len) == 0 &&
           hd->version == NGTCP2_PROTO_VER_V1 &&
           hd->dcid.datalen == STREAM_ID_BYTES && hd->scid.datalen == 0;
}

static enum error accept_new(struct streams *s, uint64_t path,
                             const struct endpoint *source,
                             const uint8_t *packet, size_t len,
                             struct stream_conn **out)
{
    ngtcp2_pkt_hd hd;
    struct stream_conn *c;
    enum error err;

    if (!is_first(packet, len, &hd)) {
        s->stats.dropped_unknown++;
        return ERR_UNEXPECTED;
    }
    if (s->env.accept == NULL)
        return ERR_UNSUPPORTED;
    if (living(s) >= s->config.max_connections && make_way(s, source) != OK)
        return ERR_FULL;
    c = conn_new(s, false);
    if (c == NULL) {
        s->newcomer_waits = true;
        return ERR_NO_MEMORY;
    }
    err = begin(c, path, source, &hd);
    if (err != OK) {
        conn_free(c);
        return err;
    }
    s->stats.accepted++;
    *out = c;
    return OK;
}

/* ---- Whose packet it is ------------------------------------------------- */

static struct stream_conn *by_id(const struct streams *s,
                                 const ngtcp2_version_cid *vc)
{
    struct keyed_entry *e = NULL;

    if (vc->dcidlen == STREAM_ID_BYTES)
        e = keyed_table_find(&s->by_id, bytes_of(vc->dcid, vc->dcidlen));
    return e == NULL ? NULL : ((struct id_entry *)e)->conn;
}

static enum error find_acceptor(struct streams *s, uint64_t path,
                                const struct endpoint *source,
                                const uint8_t *packet, size_t len,
                                struct stream_conn **out)
{
    ngtcp2_version_cid vc;
    enum error err = OK;

    if (ngtcp2_pkt_decode_version_cid(&vc, packet, len, STREAM_ID_BYTES) != 0) {
        s->stats.dropped_invalid++;
        return ERR_UNEXPECTED;
    }
    *out = by_id(s, &vc);
    if (*out != NULL)
        return OK;
    tell_forgotten(s, path, &vc, len);
    err = accept_new(s, path, source == NULL ? &nobody : source, packet, len,
                     out);
    if (err != OK && err != ERR_UNEXPECTED)
        s->stats.refused++;
    return err;
}

static enum error find_opener(struct streams *s, uint64_t path,
                              struct stream_conn **out)
{
    *out = path_owner(s, path);
    if (*out != NULL)
        return OK;
    s->stats.dropped_unknown++;
    return ERR_UNEXPECTED;
}

static const struct route *route_in(struct stream_conn *c, uint64_t path)
{
    return c->opener ? route_find(c, path) : path_came(c, path);
}

static enum error read_packet(struct stream_conn *c, uint64_t path,
                              const uint8_t *packet, size_t len)
{
    struct streams *s = c->streams;
    const struct route *r = route_in(c, path);
    ngtcp2_path_storage from;
    int rv;

    if (r == NULL)
        return ERR_NO_MEMORY;
    path_fill(&from, r->number == 0 ? c->number_now : r->number);
    rv = ngtcp2_conn_read_pkt(c->quic, &from.path, NULL, packet, len, s->now);
    if (rv != 0) {
        conn_failed(c, rv);
        return ERR_UNEXPECTED;
    }
    s->stats.packets_in++;
    c->unanswered_at = TIME_NEVER;
    if (!c->opener)
        conn_follow(c);
    return OK;
}

/* How much of it are packets of the handshake, which come first. */
static size_t handshake_part(const uint8_t *packet, size_t len)
{
    size_t at = 0;

    while (at < len && (packet[at] & 0x80) != 0) {
        ngtcp2_pkt_hd hd;
        ngtcp2_ssize head =
            ngtcp2_pkt_decode_hd_long(&hd, packet + at, len - at);

        if (head < 0 || hd.len > len - at - (size_t)head)
            break;
        at += (size_t)head + hd.len;
    }
    return at;
}

/* ngtcp2 has completed the opener's handshake when it has sent its last word;
 * what an acceptor has said behind its own by then can make it read what it
 * has freed. So that waits until the word was sent. */
static enum error read_first_packets(struct stream_conn *c, uint64_t path,
                                     const uint8_t *packet, size_t len)
{
    size_t part = handshake_part(packet, len);
    enum error err = OK;

    if (part > 0)
        err = read_packet(c, path, packet, part);
    if (err != OK || part == len)
        return err;
    if (!c->over && c->answered && c->path != 0)
        conn_flush(c);
    if (c->over || !c->open)
        return ERR_UNEXPECTED;
    return read_packet(c, path, packet + part, len - part);
}

enum error streams_receive(struct streams *s, uint64_t path, bool to_acceptor,
                           const struct endpoint *source, const uint8_t *packet,
                           size_t len, uint64_t now)
{
    struct stream_conn *c = NULL;
    enum error err;

    if (len == 0 || len > STREAM_PACKET_MAX) {
        s->stats.dropped_invalid++;
        return ERR_WRONG_LENGTH;
    }
    streams_enter(s, now);
    err = to_acceptor ? find_acceptor(s, path, source, packet, len, &c)
                      : find_opener(s, path, &c);
    if (err == OK && c->over)
        err = ERR_UNEXPECTED;
    if (err == OK && c->opener && !c->open)
        err = read_first_packets(c, path, packet, len);
    else if (err == OK)
        err = read_packet(c, path, packet, len);
    if (c != NULL && err != ERR_NO_MEMORY)
        conn_mark(c);
    streams_leave(s);
    return err;
}
