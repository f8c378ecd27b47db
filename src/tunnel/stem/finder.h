/* SPDX-License-Identifier: MIT
 *
 * Lookups in the DHT that others make for us: the last hops of stems (circuit
 * messages 28 to 34, meeting_message.h). Never does a datagram of the DHT about
 * a service leave from our own address.
 *
 * What matters is asked of two last hops of different networks: one that lies
 * is outvoted by a signature, one that is silent by time. An item is looked for
 * under replica 0 through one and under replica 1 through the other, and where
 * it is not found, under the other replica as well; the first valid answer is
 * taken, a higher seq within FINDER_GRACE replaces it. Of points each of the
 * two gives at most half, unless the other has fewer. Where a hop is silent,
 * ends the circuit, refuses, or sends what is not authentic, another is asked,
 * through FINDER_CIRCUITS circuits of each side in all.
 *
 * No hop sees two keys of a service: those that have seen one, by a put or a
 * get through the service's kit, are remembered, and a few are kept for each
 * key (else a day of puts would use all there are). Nor does a hop verify by a
 * get what it has put itself. Only where no other relay is left does one see
 * more; it is counted.
 *
 * With a provider that is anonymous by itself (dht_provider.anonymous) the same
 * is asked of it, without a circuit; points are told then whose keys the
 * directory knows.
 */
#ifndef WARREN_TUNNEL_STEM_FINDER_H
#define WARREN_TUNNEL_STEM_FINDER_H

#include "tunnel/directory/dht_provider.h"
#include "tunnel/stem/stem.h"

#define FINDER_GRACE    (200 * UINT64_C(1000000))
#define FINDER_TIMEOUT  (20 * UINT64_C(1000000000)) /* of a request in all */
#define FINDER_REQUESTS 64                          /* under way */
#define FINDER_CIRCUITS 3                           /* tried for each side */
#define FINDER_POINTS   32                          /* of a request */
#define FINDER_HOPS     2048 /* remembered, with the keys they saw */

struct finder;

struct finder_item {
    uint8_t key[32];
    struct bytes salt; /* of the replica: empty, or one byte */
    int64_t seq;
    uint8_t signature[64];
    struct bytes value; /* the 996 bytes */
};

enum finder_end {
    FINDER_FOUND,
    FINDER_NOT_FOUND, /* all that were asked say so */
    FINDER_NO_CIRCUIT,
    FINDER_TIMED_OUT,
    FINDER_REFUSED, /* limits of the relays asked */
    FINDER_NEWER,   /* of a put: there is one of a higher seq */
    FINDER_ENDS
};

struct finder_handler {
    void *ctx;
    /* NULL where nothing of the kind is asked for. */
    /* Verified against the key that was asked for. True: it is good, and the
     * request ends (after FINDER_GRACE for a higher seq, which is told too);
     * false: it counts as none. Only for items. */
    bool (*item)(void *ctx, uint64_t request, const struct finder_item *item,
                 uint64_t now);
    /* An introduction point with its keys; each once. Only for points. */
    void (*point)(void *ctx, uint64_t request, const struct link_target *point,
                  uint64_t now);
    /* Once, and last. `stored`: of a put, how many nodes took it. */
    void (*done)(void *ctx, uint64_t request, enum finder_end end,
                 unsigned stored, uint64_t now);
};

/* Tick once before use: the wall clock is known from then on. */
struct finder_env {
    struct random_source random;
    struct circuits *circuits;
    const struct directory *directory; /* tells keys of relays by endpoint */
    const struct dht_provider *dht;    /* used if it is anonymous; or NULL */
};

/* ERR_NO_MEMORY. */
enum error finder_new(const struct finder_env *env, struct finder **out);
/* Nobody is called. */
void finder_free(struct finder *f, uint64_t now);

/* ERR_FULL, ERR_NO_MEMORY. Handlers are called in finder_tick alone, and may
 * call everything here but finder_free. A request ends before its kit does
 * (finder_cancel). */
enum error finder_get(struct finder *f, struct stem_kit *kit,
                      const uint8_t key[32],
                      const struct finder_handler *handler, uint64_t now,
                      uint64_t *request);
/* One circuit of its own, whose last hop is none of those that saw another key
 * of this kit. FOUND: it was stored. */
enum error finder_put(struct finder *f, struct stem_kit *kit,
                      const struct finder_item *item,
                      const struct finder_handler *handler, uint64_t now,
                      uint64_t *request);
/* Points under two hashes (replicas), at most `max` of them. */
enum error finder_points(struct finder *f, struct stem_kit *kit,
                         const struct id hashes[2], unsigned max,
                         const struct finder_handler *handler, uint64_t now,
                         uint64_t *request);
void finder_cancel(struct finder *f, uint64_t request, uint64_t now);

/* Stems of this kit can be taken now (stems_env.ready). */
void finder_stems(struct finder *f, struct stem_kit *kit, uint64_t now);
void finder_tick(struct finder *f, uint64_t wall, uint64_t now);
uint64_t finder_next_deadline(const struct finder *f);

/* Since the beginning. */
struct finder_stats {
    uint64_t requests, circuits;
    uint64_t ended[FINDER_ENDS];
    uint64_t silent, refused, lost; /* hops that another took the place of */
    uint64_t forged;                /* items and descriptors */
    uint64_t unexpected;            /* answers to nothing that was asked */
    uint64_t seen_twice; /* hops that saw two keys: there was no other */
};
const struct finder_stats *finder_stats(const struct finder *f);

#endif
