/* SPDX-License-Identifier: MIT
 *
 * Introduction points: circuits of services, to which clients are introduced.
 *
 *     service --INTRO_ESTABLISH--> relay --INTRO_ESTABLISHED--> service
 *     client  --INTRODUCE--> relay --INTRODUCED--> service
 *     service --INTRO_RESULT--> relay --INTRODUCE_ACK--> client
 *
 * A point has a key of its own, and proves on each circuit that it has it: the
 * newest circuit is the point, the older one is told REPLACED. What was not
 * answered yet goes on on the new one.
 *
 * A client's circuit has one INTRODUCE. Said again, as it is, it goes out again
 * until there is a result, and then has that. A relay looks at nothing in it:
 * it cannot tell a good one from a bad one. It cannot check work either (the
 * seed is in the descriptor), but has two rates for each service: one for those
 * who claim none, and as much for those who claim what the service last asked
 * for. Who claims falsely is refused by the service, and has used up his
 * circuit.
 */
#ifndef WARREN_TUNNEL_MEETING_INTRODUCTION_H
#define WARREN_TUNNEL_MEETING_INTRODUCTION_H

#include "tunnel/meeting/meeting_internal.h"

struct member;

/* With its place, its circuit and what the table has of it at most 512 bytes,
 * without a member's entry. */
struct introduction {
    struct keyed_entry by_id;
    struct place place;
    struct meeting_circuit *circuit;
    struct introduce *waiting; /* INTRODUCEs without a result, a list */
    struct member *member;     /* its entry under a topic; else NULL */
    uint64_t said;             /* mark of the INTRO_ESTABLISH */
    struct token_rate rate;
    struct token_bucket free, worked;
    uint32_t effort; /* that the service last asked for */
    uint8_t auth_id[MEETING_AUTH_ID_BYTES];
};

void introductions_init(struct meeting *m);
void introductions_deinit(struct meeting *m);

enum reason
introduction_establish(struct meeting *m, struct meeting_circuit *c,
                       const struct meeting_message *msg, struct bytes text,
                       const uint8_t transcript[MEETING_TRANSCRIPT_BYTES],
                       uint64_t now);
enum reason introduction_introduce(struct meeting *m, struct meeting_circuit *c,
                                   const struct meeting_message *msg,
                                   struct bytes text, uint64_t now);
enum reason introduction_result(struct meeting *m, struct meeting_circuit *c,
                                const struct meeting_message *msg,
                                uint64_t now);

/* The point is no more: its circuit is told FULL, those who wait UNKNOWN. */
void introduction_make_way(struct meeting *m, struct introduction *point,
                           uint64_t now);
/* The circuit ends: its point, or its INTRODUCE. */
void introduction_circuit_gone(struct meeting *m, struct meeting_circuit *c,
                               uint64_t now);
size_t introductions_memory(const struct meeting *m);

#endif
