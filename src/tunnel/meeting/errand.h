/* SPDX-License-Identifier: MIT
 *
 * Errands: what this node looks up in the DHT, or asks a relay, for whoever is
 * at the other end of a circuit, who does not want to be seen asking.
 *
 *     DHT_GET    -> DHT_PEERS, or DHT_ITEM for each newer one -> DHT_DONE
 *     DHT_PUT    -> DHT_DONE         one round, after the signature was checked
 *     RELAY_ASK  -> RELAY_TOLD       of endpoints that this circuit was told
 *
 * So that a relay is no scanner and no amplifier: a circuit has two lookups at
 * once and ERRANDS_MAX in its life, and for each that found peers may ask
 * ERRAND_ASKS of them. Over all there are max_lookups at once and lookup_rate a
 * second, of both a quarter for one host. Each ends after ERRAND_LIFE. Nothing
 * found is kept: a fast answer would tell that somebody else has looked.
 *
 * A request with the id of one that runs is the same one said again; it has
 * its answer coming.
 */
#ifndef WARREN_TUNNEL_MEETING_ERRAND_H
#define WARREN_TUNNEL_MEETING_ERRAND_H

#include "tunnel/meeting/meeting_internal.h"

#define ERRAND_LIFE    (5 * TIME_S)
#define ERRANDS_MAX    16 /* lookups in a circuit's life */
#define ERRANDS_ATONCE 2
#define ERRAND_ASKS    4

void errands_init(struct meeting *m);
void errands_deinit(struct meeting *m);
void errands_set_rates(struct meeting *m);

enum reason errand_lookup(struct meeting *m, struct meeting_circuit *c,
                          const struct meeting_message *msg, uint64_t now);
enum reason errand_ask(struct meeting *m, struct meeting_circuit *c,
                       const struct meeting_message *msg, uint64_t now);
/* See meeting_told. */
void errands_told(struct meeting *m, const struct endpoint *ep,
                  struct bytes text, uint64_t now);
void errand_circuit_gone(struct meeting *m, struct meeting_circuit *c);
void errands_tick(struct meeting *m, uint64_t now);
size_t errands_memory(const struct meeting *m);

#endif
