/* SPDX-License-Identifier: MIT
 *
 * Whether a node that has been quiet for a while is cut off, of one address
 * family. A quiet network says nothing for minutes, so silence alone proves
 * nothing: after SILENCE_QUIET somebody is asked, then some more, and when
 * none of them answers either the family is silent until something comes.
 *
 *     heard --SILENCE_QUIET--> one is asked --SILENCE_WAIT--> several are
 *       ^                                        asked --SILENCE_WAIT--> silent
 *       |                                                                  |
 *       +------------------------- a datagram comes -----------------------+
 *
 * What is sent anyway counts as asking: when some datagrams have left and
 * nothing has come for SILENCE_SOON, several are asked at once.
 */
#ifndef WARREN_NODE_REACH_SILENCE_H
#define WARREN_NODE_REACH_SILENCE_H

#include "base/timestamp.h"

#include <stdbool.h>
#include <stdint.h>

#define SILENCE_QUIET   (15 * TIME_S)
#define SILENCE_WAIT    (3 * TIME_S)
#define SILENCE_AGAIN   (10 * TIME_S) /* between questions while silent */
#define SILENCE_SOON    (5 * TIME_S)
#define SILENCE_SENT    2 /* datagrams that hint at something */
#define SILENCE_SEVERAL 4

struct silence {
    uint64_t heard, sent; /* counts when something was heard last */
    uint64_t since;       /* then, or a little later */
    uint64_t next;        /* next question; TIME_NEVER: nobody is asked */
    unsigned asked;       /* times since then */
    bool silent;
};

void silence_init(struct silence *s, uint64_t now);

/* Takes the counts of datagrams that came and left, to be called every few
 * seconds and at `next`. Returns how many nodes are to be asked now. Who
 * knows nobody (`alone`) is not silent: nobody is expected to speak. */
unsigned silence_look(struct silence *s, uint64_t heard, uint64_t sent,
                      bool alone, uint64_t now);

#endif
