/* SPDX-License-Identifier: MIT
 *
 * One leg of a channel: the end layer of one pair of joined circuits, and when
 * something has to be asked on it. What is unanswered is asked again, and a leg
 * on which LEG_ASKS questions in a row, and for LEG_SILENT, had no answer is
 * dead:
 *
 *     attached --HELLO, by the opener--> heard --PING, where nothing came since
 *     we sent something, or nothing was sent for a while--> heard, or dead
 *
 * A leg that a newer one has replaced is left: nothing is sent on it, and what
 * still comes is taken for LEG_LINGER.
 */
#ifndef WARREN_TUNNEL_CHANNEL_CHANNEL_LEG_H
#define WARREN_TUNNEL_CHANNEL_CHANNEL_LEG_H

#include "base/patience.h"
#include "base/random_source.h"
#include "base/timestamp.h"
#include "tunnel/channel/channel.h"
#include "tunnel/channel/end_message.h"
#include "tunnel/circuit/onion.h"

#define LEG_ASKS      16
#define LEG_SILENT    (5 * TIME_S)
#define LEG_DOUBT     2 /* unanswered questions that make it doubtful, when */
#define LEG_DOUBT_NEW 8 /* the next is due; of one on which no cell came */
#define LEG_QUIET     TIME_S /* after what nothing came back for, or twice */
#define LEG_QUIET_MIN (15 * TIME_MS) /* what an answer may take, if less */
#define LEG_NONCES    8              /* of the last questions */
#define LEG_KEEPALIVE (45 * TIME_S)  /* with nothing sent; and up to */
#define LEG_KEEP_MORE (30 * TIME_S)  /* that much more, by chance */
#define LEG_LINGER    (5 * TIME_S)
#define LEG_UNHEARD   (10 * TIME_S) /* the responder waits for a first cell */

struct leg {
    struct circuit *circuit; /* NULL: the place is free */
    struct onion_sender out;
    struct onion_receiver in;
    uint8_t resume[CHANNEL_RESUME_BYTES];
    uint64_t number; /* in the order of channel_attach */
    bool heard;      /* a cell came on it */
    uint64_t attached_at;
    uint64_t renew_at;
    uint64_t left_at; /* TIME_NEVER unless it is left */

    unsigned asked;       /* since a cell came */
    struct asking asking; /* while `asked` is not 0 */
    bool waiting;         /* something was sent that wants an answer: */
    uint64_t ask_at;      /* when it is asked for, while waiting */
    uint64_t sent_at;     /* the last cell */
    uint64_t keepalive;   /* how long after that */
    unsigned questions;
    struct leg_question {
        uint64_t nonce, at; /* 0: it was answered */
    } question[LEG_NONCES]; /* by number */
};

void leg_init(struct leg *l, struct circuit *c, const struct channel_keys *keys,
              uint64_t renew_at, uint64_t now);
/* Wipes the keys; the place is free. */
void leg_deinit(struct leg *l);

/* Writes `m`, which fits a cell, and seals it. Returns the length of the cell
 * that is to hold it: `datagram` has CELL_MAX bytes. */
size_t leg_seal(struct leg *l, const struct end_message *m, uint8_t *datagram);
/* The text of a cell of this leg, a view of `body`. Errors of onion_end_remove;
 * ERR_WRONG_LENGTH. */
enum error leg_open(struct leg *l, uint8_t *body, size_t body_len,
                    struct bytes *text);

/* Something was sent; `wants` an answer, if not of its own then of a PING.
 * `overdue`: when an answer is. */
void leg_sent(struct leg *l, bool wants, uint64_t overdue, uint64_t now);
void leg_came(struct leg *l);
/* More questions than usual have no answer. */
bool leg_is_doubtful(const struct leg *l);
/* The question to be asked now: sets its nonce, and when it comes again. */
void leg_ask(struct leg *l, const struct random_source *random,
             uint64_t overdue, struct end_message *m, uint64_t now);
/* The round trip that this PONG shows, or 0. */
uint64_t leg_pong(struct leg *l, uint64_t nonce, uint64_t now);

/* What time does to a leg, and when. */
enum leg_due { LEG_IN_TIME, LEG_ASK, LEG_DEAD, LEG_OVER };
enum leg_due leg_due(const struct leg *l, bool opener, uint64_t now);
uint64_t leg_next_deadline(const struct leg *l, bool opener);

#endif
