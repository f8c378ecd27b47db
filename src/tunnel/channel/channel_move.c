/* SPDX-License-Identifier: MIT
 *
 * MOVE and MOVED: the opener says when and where, once `renew` told its holder
 * that the leg gets old; the responder's holder says whether it comes. Both
 * messages are said again unchanged until they are not needed any more.
 */
#include "tunnel/channel/channel_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- Opener ------------------------------------------------------------- */

static void say_move(struct channel *ch, uint64_t now)
{
    channel_say(ch, ch->use, &ch->move->message, true, now);
}

enum error channel_move(struct channel *ch, const struct channel_move *move,
                        uint64_t now)
{
    struct end_message m = {
        .type = END_MOVE, .cookie = move->cookie, .noise1 = move->noise1};
    struct move_said *said;
    size_t len = 0;
    enum error e;

    assert(ch->opener);
    if (ch->use == NULL || ch->closing)
        return ERR_NOT_FOUND;
    said = calloc(1, sizeof(*said));
    if (said == NULL)
        return ERR_NO_MEMORY;
    e = end_message_write(&m, said->text, sizeof(said->text), &len);
    assert(e == OK);
    e = end_message_read(bytes_of(said->text, len), &said->message);
    assert(e == OK);
    said->end_at = time_after(now, CHANNEL_MOVE_TIME);
    channel_move_end(ch);
    ch->move = said;
    asking_begin(&said->asking, channel_overdue(ch), now);
    say_move(ch, now);
    return OK;
}

void channel_move_end(struct channel *ch)
{
    free(ch->move);
    ch->move = NULL;
}

bool channel_moved_came(struct channel *ch, const struct end_message *m,
                        uint64_t now)
{
    if (ch->move == NULL ||
        memcmp(m->cookie, ch->move->message.cookie, MEETING_COOKIE_BYTES) != 0)
        return false;
    ch->move->answered = true;
    if (m->reason != REASON_UNKNOWN) {
        channel_move_end(ch);
        ch->env.move_refused(ch->holder, ch, m->reason, now);
    }
    return true;
}

/* A leg is attached that will replace the one in use. */
static bool has_next(const struct channel *ch)
{
    for (unsigned i = 0; i < CHANNEL_LEGS; i++) {
        const struct leg *l = &ch->legs[i];

        if (l->circuit != NULL && l->number > ch->use->number)
            return true;
    }
    return false;
}

static void tick_renew(struct channel *ch, uint64_t now)
{
    if (!ch->opener || ch->use == NULL || now < ch->renew_at)
        return;
    ch->renew_at = time_after(now, CHANNEL_MOVE_AGAIN);
    if (ch->move == NULL && !has_next(ch))
        ch->env.renew(ch->holder, ch, now);
}

void channel_move_tick(struct channel *ch, uint64_t now)
{
    struct move_said *move = ch->move;

    if (move != NULL && now >= move->end_at) {
        channel_move_end(ch);
        ch->env.move_refused(ch->holder, ch, REASON_TIMEOUT, now);
    } else if (move != NULL && !move->answered &&
               now >= move->asking.again_at) {
        asking_again(&move->asking, now);
        say_move(ch, now);
    }
    if (channel_goes_on(ch) && !ch->closing)
        tick_renew(ch, now);
}

uint64_t channel_move_deadline(const struct channel *ch)
{
    uint64_t at = TIME_NEVER;

    if (ch->opener && ch->use != NULL)
        at = ch->renew_at;
    if (ch->move == NULL)
        return at;
    at = time_min(at, ch->move->end_at);
    return ch->move->answered ? at : time_min(at, ch->move->asking.again_at);
}

/* ---- Responder ---------------------------------------------------------- */

static void say_moved(struct channel *ch, uint64_t now)
{
    struct end_message m = {
        .type = END_MOVED, .cookie = ch->asked.cookie, .reason = ch->asked.why};

    channel_say(ch, ch->use, &m, false, now);
}

static bool is_asked(const struct channel *ch, const uint8_t *cookie)
{
    return ch->asked.state != MOVE_NONE &&
           memcmp(ch->asked.cookie, cookie, MEETING_COOKIE_BYTES) == 0;
}

bool channel_move_came(struct channel *ch, const struct end_message *m,
                       uint64_t now)
{
    struct channel_move move = {.cookie = m->cookie, .noise1 = m->noise1};

    if (is_asked(ch, m->cookie)) {
        if (ch->asked.state == MOVE_ANSWERED)
            say_moved(ch, now);
        return true;
    }
    if (now < ch->asked.next_at)
        return false; /* it will be said again */
    ch->asked.state = MOVE_CAME;
    memcpy(ch->asked.cookie, m->cookie, MEETING_COOKIE_BYTES);
    ch->asked.next_at = time_after(now, CHANNEL_MOVE_PAUSE);
    ch->env.move(ch->holder, ch, &move, now);
    return true;
}

void channel_moved(struct channel *ch,
                   const uint8_t cookie[MEETING_COOKIE_BYTES], enum reason why,
                   uint64_t now)
{
    if (!is_asked(ch, cookie) || ch->asked.state == MOVE_ANSWERED)
        return;
    ch->asked.state = MOVE_ANSWERED;
    ch->asked.why = why;
    say_moved(ch, now);
}
