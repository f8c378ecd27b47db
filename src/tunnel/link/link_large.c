/* SPDX-License-Identifier: MIT
 *
 * Whether large cells pass: a path with a smaller MTU than the cell needs,
 * whose routers' ICMP is lost, swallows them while small ones pass, and
 * nothing says so (a black hole; RFC 8899 has the general case).
 *
 * Each end asks for its own direction, once it has large cells to send:
 *
 *     UNKNOWN --large PING answered--> WHOLE <--answered-- PARTS
 *        |                                                   ^
 *        +-------- not, but small ones are: in two parts ----+--> LOST
 *
 * A round of questions is a large PING and a small one behind it, so that
 * loss and silence are not taken for a black hole: only tries whose small PING
 * was answered count. After LARGE_TRIES of them a large cell goes as two
 * datagrams (part.h), and a round in parts shows whether those pass. A round
 * with whole cells is made again from time to time, as paths change, and when
 * the peer moves. Who gets parts, and does not know better, sends parts: a
 * path is mostly as narrow both ways.
 */
#include "tunnel/link/link_table.h"

#include "base/timestamp.h"
#include "tunnel/link/part.h"

#include <stdlib.h>

#define LARGE_TRIES 4
#define LARGE_PAUSE (500 * TIME_MS)
/* Between rounds, while large cells are sent: as long as all is well, and to
 * see whether a narrow path has become wide. */
#define LARGE_AGAIN  (60 * TIME_S)
#define LARGE_HEALED (10 * TIME_MIN)

static void try_once(struct links *l, struct link *link, uint64_t now)
{
    struct link_large *large = &link->large;
    uint8_t nonce[LINK_PING_NONCE];

    large->small_passed = false;
    large->asked_at = now;
    bytes_put_number(nonce, sizeof(nonce), large->nonce);
    link_send_large_ping(l, link, nonce, large->asks_in_parts, now);
    bytes_put_number(nonce, sizeof(nonce), large->nonce | 1);
    link_send(l, link, CELL_PING, 0, bytes_of(nonce, sizeof(nonce)), now);
    link_set_deadline(l, link,
                      time_min(link->deadline, time_after(now, LARGE_PAUSE)));
}

static void begin_round(struct links *l, struct link *link, bool in_parts,
                        uint64_t now)
{
    struct link_large *large = &link->large;
    uint8_t nonce[LINK_PING_NONCE];

    l->env.random.fill(l->env.random.ctx, nonce, sizeof(nonce));
    /* Even and not zero: the small PING has the odd one behind it. */
    large->nonce = (bytes_get_number(nonce, sizeof(nonce)) | 2) & ~UINT64_C(1);
    large->asks = true;
    large->asks_in_parts = in_parts;
    large->tries = 0;
    large->next_at = TIME_NEVER;
    try_once(l, link, now);
}

static void end_round(struct link *link, enum large_state state, uint64_t now)
{
    struct link_large *large = &link->large;

    large->state = state;
    large->asks = false;
    large->in_parts = state != LARGE_WHOLE;
    large->next_at =
        time_after(now, state == LARGE_PARTS ? LARGE_HEALED : LARGE_AGAIN);
}

void large_wanted(struct links *l, struct link *link, uint64_t now)
{
    begin_round(l, link, false, now);
}

bool large_pong(struct link *link, uint64_t nonce, uint64_t now)
{
    struct link_large *large = &link->large;

    if (!large->asks || (nonce | 1) != (large->nonce | 1))
        return false;
    if (nonce != large->nonce)
        large->small_passed = true;
    else
        end_round(link, large->asks_in_parts ? LARGE_PARTS : LARGE_WHOLE, now);
    return true;
}

void large_moved(struct link *link)
{
    link->large.asks = false;
    link->large.next_at = 0;
}

/* Every try has failed. */
static void conclude(struct links *l, struct link *link, uint64_t now)
{
    struct link_large *large = &link->large;

    if (large->asks_in_parts) {
        end_round(link, LARGE_LOST, now);
    } else if (large->state == LARGE_PARTS) {
        end_round(link, LARGE_PARTS, now);
    } else {
        l->stats.large_lost += large->state != LARGE_LOST;
        large->in_parts = true;
        begin_round(l, link, true, now);
    }
}

void large_tick(struct links *l, struct link *link, uint64_t now)
{
    struct link_large *large = &link->large;

    if (!large->asks || time_since(large->asked_at, now) < LARGE_PAUSE)
        return;
    large->tries += large->small_passed;
    if (large->tries < LARGE_TRIES)
        try_once(l, link, now);
    else
        conclude(l, link, now);
}

uint64_t large_deadline(const struct link *link)
{
    return link->large.asks ? time_after(link->large.asked_at, LARGE_PAUSE)
                            : TIME_NEVER;
}

void large_send_parts(struct links *l, const struct endpoint *to,
                      const uint8_t cell[CELL_LARGE])
{
    uint8_t part[PART_BYTES];

    for (unsigned half = 0; half < 2; half++) {
        part_write(part, cell, half);
        l->env.send(l->env.send_ctx, to, bytes_of(part, sizeof(part)));
    }
    l->stats.parts_out += 2;
}

/* What came in parts is authentic: the way back may be as narrow. */
static void take_hint(struct link *link)
{
    struct link_large *large = &link->large;

    if (large->state == LARGE_UNKNOWN)
        large->in_parts = true;
}

static enum error join(struct links *l, struct session *s,
                       const struct part *part, uint8_t cell[CELL_LARGE],
                       bool *whole)
{
    struct link *link = s->link;

    if (!replay_is_fresh(&s->replay, part->counter))
        return ERR_UNEXPECTED;
    if (link->parts == NULL)
        link->parts = calloc(1, sizeof(*link->parts));
    if (link->parts == NULL)
        return ERR_NO_MEMORY;
    l->stats.parts_in++;
    *whole = parts_join(link->parts, part, cell);
    return OK;
}

enum error links_receive_part(struct links *l, const struct endpoint *from,
                              struct bytes datagram, uint64_t now)
{
    uint8_t cell[CELL_LARGE];
    struct session *s;
    struct part part;
    bool whole = false;
    enum error e = part_read(datagram, &part);

    if (e != OK)
        return e;
    s = session_find(&l->sessions, part.session);
    if (s == NULL || s == s->link->opening)
        return ERR_NOT_FOUND;
    e = join(l, s, &part, cell, &whole);
    if (e != OK || !whole)
        return e;
    e = links_receive_cell(l, from, cell, sizeof(cell), now);
    s = session_find(&l->sessions, part.session);
    if (e == OK && s != NULL) /* not closed meanwhile */
        take_hint(s->link);
    return e;
}
