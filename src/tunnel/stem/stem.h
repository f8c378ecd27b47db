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
 * A kit keeps stems of one service, or of one client purpose: no two services
 * share a circuit. A kit rests, and keeps none, when nobody took one for
 * STEM_REST.
 */
#ifndef WARREN_TUNNEL_SERVICE_STEM_H
#define WARREN_TUNNEL_SERVICE_STEM_H

#include "tunnel/directory/directory.h"
#include "tunnel/path/guard.h"
#include "tunnel/path/path.h"
#include "tunnel/stem/route.h"
#include "tunnel/stem/vanguard.h"

#define STEM_SPARE 4 /* kept ready while a kit is used */
#define STEM_REST  (2 * 60 * UINT64_C(1000000000))

struct stems;
struct stem_kit;

struct stems_env {
    void *ctx;
    struct random_source random;
    struct circuits *circuits;
    struct directory *directory;
    struct guards *guards;
    struct vanguards *vanguards;
    /* A stem of this kit can be taken now, or (then `why` is not PATH_FOUND)
     * no path could be found for one. May take stems. */
    void (*ready)(void *ctx, struct stem_kit *kit, enum path_result why,
                  uint64_t now);
};

enum error stems_new(const struct stems_env *env, struct stems **out);
void stems_free(struct stems *s);

/* `third` is the service's set of third hops; NULL: drawn freely. It outlives
 * the kit. `arg` is the caller's. ERR_RANGE (hops), ERR_NO_MEMORY. */
enum error stem_kit_new(struct stems *s, unsigned hops,
                        struct vanguard_set *third, void *arg,
                        struct stem_kit **out);
/* Its stems are closed; those that were taken stay. */
void stem_kit_free(struct stem_kit *kit, uint64_t now);
void *stem_kit_arg(const struct stem_kit *kit);
unsigned stem_kit_ready(const struct stem_kit *kit);

/* A ready stem for this holder, or NULL when there is none yet: one is being
 * built then, and env.ready will be called. `target` is where it is to be
 * extended to, or NULL; its last hop is another relay than that, and than those
 * in `avoid` (last hops that were used for this already). */
struct circuit *stem_take(struct stem_kit *kit, const uint8_t target[32],
                          const uint8_t (*avoid)[32], unsigned avoid_count,
                          const struct route_ops *ops, void *holder,
                          uint64_t now);
/* A circuit through the first `hops` hops of `like`, and then to `target` (may
 * be NULL): a channel or an introduction point that is renewed keeps its hops.
 * Errors of route_new; ERR_RANGE when it would be too long. */
enum error stem_again(struct stems *s, const struct circuit *like,
                      unsigned hops, const struct link_target *target,
                      const struct route_ops *ops, void *holder, uint64_t now,
                      struct circuit **out);

void stems_tick(struct stems *s, uint64_t wall, uint64_t now);
uint64_t stems_next_deadline(const struct stems *s);

#endif
