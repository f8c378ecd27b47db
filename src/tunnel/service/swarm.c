#include "tunnel/service/swarm.h"
enum error swarm_new(struct service *service, struct bytes string,
                     const uint8_t secret[32],
                     const struct service_memory *memory, uint64_t now,
                     struct swarm **out)
{
    (void)service, (void)string, (void)secret, (void)memory, (void)now,
        (void)out;
    return ERR_UNSUPPORTED;
}
void swarm_free(struct swarm *w, bool forget, uint64_t now)
{
    (void)w, (void)forget, (void)now;
}
bool swarm_is(const struct swarm *w, struct bytes string)
{
    (void)w, (void)string;
    return false;
}
void swarm_member_key(const struct swarm *w, const uint8_t **secret,
                      const uint8_t **key)
{
    (void)w, (void)secret, (void)key;
}
void swarm_peer_live(struct swarm *w, struct service_peer *peer, uint64_t now)
{
    (void)w, (void)peer, (void)now;
}
void swarm_peer_gone(struct swarm *w, struct service_peer *peer, uint64_t now)
{
    (void)w, (void)peer, (void)now;
}
void swarm_next_point(struct swarm *w, const uint8_t member[32],
                      unsigned attempt, struct connect_goal *goal)
{
    (void)w, (void)member, (void)attempt, (void)goal;
}
void swarm_stems(struct swarm *w, enum path_result why, uint64_t now)
{
    (void)w, (void)why, (void)now;
}
void swarm_suspect(struct swarm *w, uint64_t now)
{
    (void)w, (void)now;
}
void swarm_tick(struct swarm *w, uint64_t now)
{
    (void)w, (void)now;
}
uint64_t swarm_deadline(const struct swarm *w)
{
    (void)w;
    return TIME_NEVER;
}
void swarm_status(const struct swarm *w, struct service_status *out)
{
    (void)w, (void)out;
}
const struct point_set *swarm_points(const struct swarm *w, unsigned i)
{
    (void)w, (void)i;
    return NULL;
}
