/* SPDX-License-Identifier: MIT
 *
 * Cells that come in. read_cell says whose session one is for, open_cell that
 * it is authentic, heard what that shows of the peer (its keys, its address),
 * and dispatch does what is about the link and gives the rest to env.cell.
 * A new cell about a link gets its case in dispatch, any other one in the
 * router. How sessions follow each other is here too: see peer_has_keys.
 */
#include "tunnel/link/link_table.h"

#include "base/timestamp.h"

#include <assert.h>

static uint64_t rekey_time(struct links *l, uint64_t now)
{
    uint64_t jitter =
        random_below(&l->env.random, 1000) * (LINK_REKEY_JITTER / 1000);

    return time_after(now, LINK_REKEY_AFTER + jitter);
}

/* From now on cells are sent with the keys of `s`. */
static void send_with(struct links *l, struct link *link, struct session *s,
                      uint64_t now)
{
    link->session = s;
    s->born = now;
    link->rekey_at = rekey_time(l, now);
    link_set_deadline(l, link, time_after(now, LINK_KEEPALIVE));
}

void link_use_first_session(struct links *l, struct link *link,
                            struct session *s, uint64_t now)
{
    assert(link->previous == NULL && link->next == NULL);
    send_with(l, link, s, now);
}

void link_use_next_session(struct links *l, struct link *link,
                           struct session *s, uint64_t now)
{
    session_free(&l->sessions, link->previous);
    link->previous = link->session;
    link->next = NULL;
    send_with(l, link, s, now);
}

void link_tell_keys(struct links *l, struct link *link, uint64_t now)
{
    link->told_at = now;
    link_send(l, link, CELL_PING, 0, bytes_of(NULL, 0), now);
}

/* A source address is written by the sender: without the question, a peer
 * could have what it asks for sent to anybody, and count as many sources. */
static void ask_where(struct links *l, struct link *link,
                      const struct endpoint *from, uint64_t now)
{
    uint8_t nonce[LINK_PING_NONCE];

    if (!endpoint_same_addr(from, &link->peer.ep) &&
        !l->env.may_move(l->env.ctx, from))
        return;
    if (link->seen_nonce != 0 &&
        time_since(link->seen_asked_at, now) < LINK_PING_PAUSE)
        return;
    /* The same once more: the answer may take longer than the pause. */
    if (link->seen_nonce == 0 || !endpoint_equal(from, &link->seen_at)) {
        l->env.random.fill(l->env.random.ctx, nonce, sizeof(nonce));
        link->seen_nonce = bytes_get_number(nonce, sizeof(nonce)) | 1;
        link->seen_at = *from;
    }
    link->seen_asked_at = now;
    bytes_put_number(nonce, sizeof(nonce), link->seen_nonce);
    link_send_to(l, link, from, CELL_PING, bytes_of(nonce, sizeof(nonce)), now);
}

/* A half-open link: the responder's answer has reached the one who asked, who
 * is where he said. Without a place for it the link is gone. */
static enum error come_up(struct links *l, struct link *link, uint64_t now)
{
    enum error e = ERR_FULL;

    if (link_make_room(l, &link->holder, true, now))
        e = link_count(l, link);
    if (e != OK) {
        link_send(l, link, CELL_CLOSE, 0, bytes_of(NULL, 0), now);
        link_free(l, link);
        return e;
    }
    link_uncount_half(l, link);
    link->state = LINK_UP;
    link->rtt = time_since(link->heard_at, now); /* since the ACCEPT */
    link_use_first_session(l, link, link->session, now);
    l->env.up(l->env.ctx, link, now);
    return OK;
}

/* An authentic cell shows that the peer has the keys of `s`. The responder
 * waits for that before it sends with them, in its first session (come_up) and
 * in each that a REKEY brings (next); an initiator who still hears the old keys
 * (previous) says once more that there are new ones. */
static void peer_has_keys(struct links *l, struct link *link, struct session *s,
                          uint64_t now)
{
    if (s == link->next)
        link_use_next_session(l, link, s, now);
    else if (link->initiator && s == link->previous &&
             time_since(link->told_at, now) >= LINK_PING_PAUSE)
        link_tell_keys(l, link, now); /* the PING before may be lost */
}

/* The peer lives, and may have moved. */
static void heard(struct links *l, struct link *link, struct session *s,
                  const struct endpoint *from, uint64_t counter, uint64_t now)
{
    bool newest = counter >= s->replay.top;

    peer_has_keys(l, link, s, now);
    if (newest && s == link->session && !endpoint_equal(from, &link->peer.ep))
        ask_where(l, link, from, now);
    link->heard_at = now;
    link->unanswered_at = TIME_NEVER;
    link->tries = 0;
    if (link->doubted)
        link_believe(l, link, now);
}

static void receive_pong(struct link *link, struct bytes text, uint64_t now)
{
    uint64_t nonce = bytes_get_number(text.p, LINK_PING_NONCE);
    uint64_t sample = time_since(link->ping_at, now);

    if (nonce != 0 && nonce == link->seen_nonce) {
        link->peer.ep = link->seen_at;
        link->seen_nonce = 0;
        large_moved(link);
        return;
    }
    if (large_pong(link, nonce, now))
        return;
    if (link->ping_at == 0)
        return;
    link->rtt = link->rtt_is_exact ? (7 * link->rtt + sample) / 8 : sample;
    link->rtt_is_exact = true;
    link->ping_at = 0;
}

/* What is about the link itself; anything else goes up. */
static enum error dispatch(struct links *l, struct link *link,
                           const struct cell_head *head, uint8_t *datagram,
                           size_t len, uint64_t now)
{
    struct bytes text = bytes_of(datagram + CELL_BODY_OFFSET,
                                 len - CELL_BODY_OFFSET - NOISE_TAG_BYTES);

    switch (head->type) {
    case CELL_PING:
        link_send(l, link, CELL_PONG, 0, bytes_of(text.p, LINK_PING_NONCE),
                  now);
        return OK;
    case CELL_PONG:
        receive_pong(link, text, now);
        return OK;
    case CELL_CLOSE:
        link_fail(l, link, REASON_LINK_LOST, now);
        return OK;
    case CELL_REKEY:
        return handshake_receive_rekey(l, link, text, now);
    case CELL_REKEYED:
        return handshake_receive_rekeyed(l, link, text, now);
    default:
        return l->env.cell(l->env.ctx, link, head, datagram, len, now);
    }
}

/* What is known before any key is used: the session, and a counter that it has
 * not seen. Who was started again has none of those that others have with it:
 * they would say much, and wait long, until the silence tells them. */
static enum error read_cell(struct links *l, const struct endpoint *from,
                            struct bytes datagram, struct session **session,
                            uint64_t *counter, uint64_t now)
{
    struct session *s;
    uint32_t index;
    enum error e = cell_peek(datagram, &index, counter);

    if (e != OK)
        return e;
    s = session_find(&l->sessions, index);
    if (s == NULL)
        link_say_unknown(l, from, index, now);
    if (s == NULL || s == s->link->opening)
        return ERR_NOT_FOUND;
    if (!replay_is_fresh(&s->replay, *counter))
        return ERR_UNEXPECTED;
    *session = s;
    return OK;
}

/* The head, which proves all of the cell, and the body: text, or onion
 * ciphertext whose layers are not the link's to remove. */
static enum error open_cell(struct session *s, uint64_t counter,
                            uint8_t *datagram, size_t len,
                            struct cell_head *head)
{
    enum error e = cell_open(&s->in, counter, bytes_of(datagram, len), head);

    if (e != OK)
        return e;
    if (head->type != CELL_RELAY)
        e = cell_open_body(&s->in, counter, datagram, len);
    else
        cell_mask(&s->in, counter, datagram, len);
    if (e == OK)
        replay_accept(&s->replay, counter);
    return e;
}

enum error links_receive_cell(struct links *l, const struct endpoint *from,
                              uint8_t *datagram, size_t len, uint64_t now)
{
    struct cell_head head;
    struct session *s;
    uint32_t index;
    uint64_t counter;
    enum error e;

    e = read_cell(l, from, bytes_of(datagram, len), &s, &counter, now);
    if (e == OK)
        e = open_cell(s, counter, datagram, len, &head);
    if (e != OK)
        return e;
    l->stats.cells_in++;
    index = s->local;
    if (s->link->state == LINK_HALF_OPEN) {
        e = come_up(l, s->link, now);
        if (e != OK || session_find(&l->sessions, index) != s)
            return e; /* closed meanwhile */
    }
    heard(l, s->link, s, from, counter, now);
    return dispatch(l, s->link, &head, datagram, len, now);
}
