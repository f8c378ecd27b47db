/* SPDX-License-Identifier: MIT
 *
 * A channel's parts, for the files of the channel: channel.c (life, time),
 * channel_legs.c (which leg is used), channel_move.c (when another is wanted),
 * channel_receive.c, channel_send.c.
 */
#ifndef WARREN_TUNNEL_CHANNEL_CHANNEL_INTERNAL_H
#define WARREN_TUNNEL_CHANNEL_CHANNEL_INTERNAL_H

#include "tunnel/channel/channel.h"
#include "tunnel/channel/channel_leg.h"
#include "tunnel/channel/end_message.h"
#include "tunnel/channel/gap_queue.h"

/* Legs whose names may still come in a RESUME: the opener knows those that it
 * has attached, which the responder may have lost since, or never heard on. */
#define CHANNEL_NAMES 8

/* The opener's MOVE that is being said. */
struct move_said {
    struct end_message message; /* views of `text` */
    bool answered;              /* the responder comes */
    struct asking asking;
    uint64_t end_at;
    uint8_t text[END_MOVE_MAX];
};

/* The MOVE that came to the responder last. */
struct move_asked {
    enum { MOVE_NONE, MOVE_CAME, MOVE_ANSWERED } state;
    uint8_t cookie[MEETING_COOKIE_BYTES];
    enum reason why;
    uint64_t next_at; /* earliest that another is taken */
};

struct channel {
    struct channel_env env;
    void *holder;
    struct piece_budget *budget;
    bool opener;
    bool live;
    bool closing; /* channel_close */
    bool over;    /* env.closed was called, or is being */
    bool freed;   /* by a callback: the last to leave frees it */
    unsigned busy;
    enum reason why;   /* of closing */
    uint64_t close_at; /* TIME_NEVER unless closing */

    struct leg legs[CHANNEL_LEGS];
    struct leg *use;   /* what is sent on; NULL in a gap */
    uint64_t attached; /* legs so far */
    uint64_t heard;    /* number of the newest on which a cell came; 0: none */
    uint64_t used;     /* number of the leg that was used last; 0: none */
    uint8_t used_name[CHANNEL_RESUME_BYTES];
    uint8_t names[CHANNEL_NAMES][CHANNEL_RESUME_BYTES]; /* by number */
    bool doubted;                                       /* the leg in use is */
    uint64_t doubted_at, doubt_pause; /* the last time; until the next */
    uint64_t gap_since; /* TIME_NEVER: none, or before the first leg */
    uint64_t renew_at;
    struct patience answers;
    struct move_said *move;
    struct move_asked asked;

    struct gap_queue queue;
    struct pieces pieces;
    uint16_t piece_id;
    struct channel_stats stats;
};

/* Around all that may call back: a channel that is freed meanwhile is gone
 * when the outermost call leaves. */
void channel_enter(struct channel *ch);
void channel_leave(struct channel *ch);
/* False once it is over, or freed by a callback. */
bool channel_goes_on(const struct channel *ch);
/* Tells leg_over of all legs, and closed. */
void channel_finish(struct channel *ch, enum reason why, uint64_t now);

/* channel_send.c */
void channel_say(struct channel *ch, struct leg *l, const struct end_message *m,
                 bool wants, uint64_t now);
void channel_say_close(struct channel *ch, struct leg *l, enum reason why,
                       uint64_t now);
void channel_ask(struct channel *ch, struct leg *l, uint64_t now);
/* Sends what waited. */
void channel_flush(struct channel *ch, uint64_t now);

/* channel_legs.c */
/* NULL: a free place. */
struct leg *channel_leg_of(struct channel *ch, const struct circuit *c);
/* An authentic cell came on the leg. */
void channel_leg_heard(struct channel *ch, struct leg *l, uint64_t now);
void channel_legs_tick(struct channel *ch, uint64_t now);

/* channel_move.c */
void channel_move_tick(struct channel *ch, uint64_t now);
bool channel_move_came(struct channel *ch, const struct end_message *m,
                       uint64_t now);
bool channel_moved_came(struct channel *ch, const struct end_message *m,
                        uint64_t now);
uint64_t channel_move_deadline(const struct channel *ch);

#endif
