/* SPDX-License-Identifier: MIT
 *
 * Stems: circuits of services that are built before it is known where they will
 * lead to. Each is taken once, for one purpose, and becomes an introduction
 * circuit, a rendezvous, a lookup; most are extended by one more hop, the
 * target, which somebody else may have chosen.
 *
 *     a client's:   guard - layer 2 - any relay       (hops 3)
 *     a service's:  guard - layer 2 - third hop
 *
 * The last hop of a client's stem is drawn freely: it may be the rendezvous
 * point or the last hop of a lookup by itself. The third hops of a service are
 * few and stay (vanguard.h). With 2 hops there is no third, with 1 no layer 2:
 * weaker, as docs/threat-model.md says.
 *
 * What a stem will lead to changes nothing about its hops, but that its last
 * two are other relays than the target: no relay extends to itself, nor back to
 * the one before it. The target may be the guard, or be of one network or
 * family with any of them.
 *
 * A kit keeps stems of one service, or of one client purpose: no two services
 * share a circuit. A kit rests, and keeps none, when nobody took one for
 * STEM_REST. Those that fail are built anew with back-off. All are built in
 * stems_tick, so that stems can be taken from within any callback.
 */
#ifndef WARREN_TUNNEL_STEM_STEM_H
#define WARREN_TUNNEL_STEM_STEM_H

#include "base/timestamp.h"
#include "tunnel/directory/directory.h"
#include "tunnel/path/guard.h"
#include "tunnel/path/path.h"
#include "tunnel/stem/route.h"
#include "tunnel/stem/vanguard.h"

#define STEM_SPARE 4 /* kept ready while a kit is used */
#define STEM_SLOTS 8 /* with successors, and those built for a purpose */
#define STEM_REST  (2 * TIME_MIN)
#define STEM_AGE   (2 * TIME_MIN) /* ready, and dropped when older */

struct stems;
struct stem_kit;

/* Tick once before use: the wall clock is known from then on. */
struct stems_env {
    void *ctx;
    struct random_source random;
    struct circuits *circuits;
    struct directory *directory;
    struct guards *guards;
    struct vanguards *vanguards;
    uint64_t max_age; /* of a ready stem, ns; 0: STEM_AGE */
    /* A stem of this kit can be taken now, or (then `why` is not PATH_FOUND)
     * no path could be found for one. May take stems. */
    void (*ready)(void *ctx, struct stem_kit *kit, enum path_result why,
                  uint64_t now);
};

enum error stems_new(const struct stems_env *env, struct stems **out);
/* With all kits: nobody is called. */
void stems_free(struct stems *s, uint64_t now);

/* `third` is the service's set of third hops; NULL: a client's, whose last hop
 * is drawn freely. It outlives the kit. `arg` is the caller's. Stems are built
 * at once. ERR_RANGE (hops: 1 to 3), ERR_NO_MEMORY. */
enum error stem_kit_new(struct stems *s, unsigned hops,
                        struct vanguard_set *third, void *arg,
                        struct stem_kit **out);
/* Its stems are closed; those that were taken stay. */
void stem_kit_free(struct stem_kit *kit, uint64_t now);
void *stem_kit_arg(const struct stem_kit *kit);
/* Never used again. */
uint64_t stem_kit_id(const struct stem_kit *kit);
bool stem_kit_is_service(const struct stem_kit *kit);
unsigned stem_kit_ready(const struct stem_kit *kit);
/* Why there is no path for its stems; PATH_FOUND: there was one. */
enum path_result stem_kit_path(const struct stem_kit *kit);

/* A ready stem for this holder, or NULL when there is none yet: one is being
 * built then, and env.ready will be called. `target` is where it is to be
 * extended to, or NULL; its last two hops are other relays, and the last none
 * of those in `avoid` (last hops that were used for this already). */
struct circuit *stem_take(struct stem_kit *kit, const uint8_t target[32],
                          const uint8_t (*avoid)[32], unsigned avoid_count,
                          const struct route_ops *ops, void *holder,
                          uint64_t now);

/* After stem_take gave none: one is being built that can be extended there.
 * False when no path leads there, or when those that failed make a pause. */
bool stem_is_coming(const struct stem_kit *kit, const uint8_t target[32],
                    uint64_t now);

/* A circuit whose last hop is drawn freely among those that serve services: a
 * client's stem, or a service's stem that is being extended by one hop (its
 * third hops see much already; `ready` is called when it is). For lookups. */
struct stem_wish {
    const uint8_t (*among)[32]; /* NULL, or one of these; of services only */
    unsigned among_count;
    const uint8_t (*avoid)[32]; /* the last hop is none of these */
    unsigned avoid_count;
    bool apart; /* nor of a network or family of theirs */
};
/* Not PATH_FOUND: no relay suits. `out` is NULL when there is no stem yet, as
 * above. Not from within callbacks of circuits. */
enum path_result stem_take_drawn(struct stem_kit *kit,
                                 const struct stem_wish *wish,
                                 const struct route_ops *ops, void *holder,
                                 uint64_t now, struct circuit **out);

/* A circuit through the first `hops` hops of `like`, and then to `target` (may
 * be NULL): a channel or an introduction point that is renewed keeps its hops.
 * Errors of route_new; ERR_RANGE when it would be too long or `like` has not so
 * many. It opens a link: not from within callbacks of circuits. */
enum error stem_again(struct stems *s, const struct circuit *like,
                      unsigned hops, const struct link_target *target,
                      const struct route_ops *ops, void *holder, uint64_t now,
                      struct circuit **out);

void stems_tick(struct stems *s, uint64_t wall, uint64_t now);
uint64_t stems_next_deadline(const struct stems *s);

#endif
