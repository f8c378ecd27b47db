/* SPDX-License-Identifier: MIT
 *
 * Topics: members of a string leave entries at introduction points, which those
 * who know the topic are told. A relay can read none of it.
 *
 * While a topic has a member, the relay announces itself in the DHT under two
 * keys that it makes of the topic itself (record/topic.h), so that nobody has
 * it announce what he likes; with the last member that ends. Each
 * TOPIC_LOOK_EVERY it looks up who else announces, asks some of those what they
 * are, and names them to who asks for members. Nothing but that is exchanged
 * between relays.
 *
 * One entry a circuit; max_entries of a topic, a quarter of them from one
 * neighbour's network. Where there are as many, a new one takes the place of
 * one drawn at random, of that network or of all: so nobody gets rid of an
 * honest one for sure, or keeps it out.
 */
#ifndef WARREN_TUNNEL_MEETING_TOPICS_H
#define WARREN_TUNNEL_MEETING_TOPICS_H

#include "tunnel/meeting/meeting_internal.h"

#define TOPIC_LOOK_EVERY (15 * TIME_MIN) /* or a fifth less */
#define TOPIC_POINTS_MAX 16              /* others that are known */

struct introduction;
struct meeting_message;

void topics_init(struct meeting *m);
void topics_deinit(struct meeting *m);

/* The point's entry is this one. ERR_FULL, ERR_NO_MEMORY: it has none. */
enum error topics_enter(struct meeting *m, struct introduction *point,
                        const uint8_t *name, const uint8_t *entry,
                        uint64_t now);
/* It has none; that is no error. */
void topics_leave(struct meeting *m, struct introduction *point);

enum reason topics_ask(struct meeting *m, struct meeting_circuit *c,
                       const struct meeting_message *msg, uint64_t now);
/* See meeting_told. */
void topics_told(struct meeting *m, const struct endpoint *ep,
                 struct bytes text);
void topics_tick(struct meeting *m, uint64_t now);
size_t topics_memory(const struct meeting *m);

#endif
