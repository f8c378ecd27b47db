/* SPDX-License-Identifier: MIT
 *
 * Rendezvous: a client's circuit waits with a cookie, and another circuit, of
 * whoever was told the cookie, is joined with it.
 *
 *     client  --RENDEZVOUS--> relay --READY--> client
 *     service --JOIN--> relay --JOINED--> both; from then on end cells pass
 *
 * A cookie is worth one JOIN, for COOKIE_LIFE. A circuit has one; another one
 * takes its place while it waits. Said again, RENDEZVOUS and JOIN are answered
 * as they were. Whether a cookie was never there, is used or too old is the
 * same answer. When one of the two ends, the other may wait, or join, anew.
 */
#ifndef WARREN_TUNNEL_MEETING_RENDEZVOUS_H
#define WARREN_TUNNEL_MEETING_RENDEZVOUS_H

#include "tunnel/meeting/meeting_internal.h"

#define COOKIE_LIFE TIME_MIN

void rendezvous_init(struct meeting *m);
void rendezvous_deinit(struct meeting *m);

enum reason rendezvous_wait(struct meeting *m, struct meeting_circuit *c,
                            const struct meeting_message *msg, uint64_t now);
enum reason rendezvous_join(struct meeting *m, struct meeting_circuit *c,
                            const struct meeting_message *msg, uint64_t now);
void rendezvous_circuit_gone(struct meeting *m, struct meeting_circuit *c);
/* Forgets cookies that are too old. */
void rendezvous_tick(struct meeting *m, uint64_t now);
size_t rendezvous_memory(const struct meeting *m);

#endif
