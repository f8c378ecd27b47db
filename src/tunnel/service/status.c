/* SPDX-License-Identifier: MIT
 *
 * What can be seen of services from outside, in words and numbers.
 */
#include "tunnel/record/effort.h"
#include "tunnel/service/gate.h"
#include "tunnel/service/host.h"
#include "tunnel/service/remote.h"
#include "tunnel/service/swarm.h"

#include <string.h>

struct words {
    const char *name, *text;
};

static const struct words problems[SERVICE_PROBLEMS] = {
    [SERVICE_FINE] = {"fine", "all is well"},
    [SERVICE_STARTING] = {"starting", "it has just been started"},
    [SERVICE_NO_PATH] = {"no_path",
                         "too few relays are known for its circuits"},
    [SERVICE_NO_POINT] = {"no_point",
                          "no relay takes it for an introduction point"},
    [SERVICE_NOT_STORED] = {"not_stored",
                            "no node of the DHT takes its descriptor"},
    [SERVICE_NOT_VERIFIED] = {"not_verified",
                              "its descriptor was stored, but not found again"},
    [SERVICE_PROBE_FAILED] = {"probe_failed",
                              "its introduction points do not lead to it"},
    [SERVICE_NOT_FOUND] = {"not_found", "nobody has a descriptor of it"},
    [SERVICE_EXPIRED] = {"expired",
                         "only an old descriptor of it is there: it is down, "
                         "or a clock is wrong"},
    [SERVICE_WITHDRAWN] = {"withdrawn", "its owner has removed it"},
    [SERVICE_POINTS_FAIL] = {"points_fail",
                             "none of its introduction points leads to it"},
    [SERVICE_BUSY] = {"busy", "it takes nobody now"},
    [SERVICE_TOO_MANY] = {"too_many",
                          "this node connects to as many as it may at once"},
    [SERVICE_TOO_MUCH_WORK] = {"too_much_work",
                               "it asks for more work than is done here"},
    [SERVICE_NO_RENDEZVOUS] = {"no_rendezvous",
                               "it did not come to the rendezvous point"},
    [SERVICE_ALONE] = {"alone", "no other member was found"},
};

static const char *const introductions[INTRODUCTION_RESULTS] = {
    [INTRODUCTION_ACCEPTED] = "accepted", [INTRODUCTION_REPLAYED] = "replayed",
    [INTRODUCTION_FORGED] = "forged",     [INTRODUCTION_STRANGE] = "said_again",
    [INTRODUCTION_REFUSED] = "refused",   [INTRODUCTION_FULL] = "full",
    [INTRODUCTION_BAD_WORK] = "bad_work", [INTRODUCTION_PROBE] = "probe",
};

const char *service_problem_text(enum service_problem p)
{
    return problems[p].text;
}

const char *service_problem_name(enum service_problem p)
{
    return problems[p].name;
}

const char *introduction_result_name(enum introduction_result r)
{
    return introductions[r];
}

enum error service_get_status(const struct services *s, uint32_t id,
                              uint64_t now, struct service_status *out)
{
    const struct service *service = service_find(s, id);

    (void)now;
    if (service == NULL)
        return ERR_NOT_FOUND;
    *out =
        (struct service_status){.id = id,
                                .kind = service->kind,
                                .problem = service->problem,
                                .hops = service->options.hops,
                                .peers = peer_count_of(service),
                                .connects = service->connects,
                                .connect_failures = service->connect_failures,
                                .resumed = service->resumed};
    memcpy(out->introductions, service->introductions,
           sizeof(out->introductions));
    if (service->gate != NULL) {
        out->queued = gate_queued(service->gate);
        out->effort = gate_effort(service->gate)->asked;
    }
    if (service->host != NULL)
        host_status(service->host, out);
    if (service->remote != NULL)
        memcpy(out->key, remote_key(service->remote), sizeof(out->key));
    if (service->swarm != NULL)
        swarm_status(service->swarm, out);
    return OK;
}

static unsigned list_points(const struct point_set *set,
                            struct service_point_status *out, unsigned max)
{
    const struct point *p;
    unsigned count = 0;

    for (; (p = points_at(set, count)) != NULL; count++) {
        if (count >= max)
            continue;
        out[count] = (struct service_point_status){
            .relay = p->row.relay,
            .established = p->up,
            .since = p->up ? p->up_at : 0,
            .introductions = p->row.introductions};
    }
    return count;
}

unsigned service_points(const struct services *s, uint32_t id,
                        struct service_point_status *out, unsigned max)
{
    const struct service *service = service_find(s, id);
    const struct point_set *set;
    unsigned count = 0;

    if (service == NULL)
        return 0;
    if (service->host != NULL)
        return list_points(host_points(service->host), out, max);
    if (service->swarm == NULL)
        return 0;
    for (unsigned i = 0; (set = swarm_points(service->swarm, i)) != NULL; i++)
        count += list_points(set, out + (count < max ? count : max),
                             count < max ? max - count : 0);
    return count;
}

static struct service_peer_status status_of(const struct service_peer *p)
{
    const struct circuit *c = channel_circuit(p->channel);
    const struct channel_stats *stats = channel_stats(p->channel);
    struct service_peer_status out = {.id = p->id,
                                      .service = p->service->id,
                                      .opened = p->opened,
                                      .has_key = p->has_key,
                                      .gap = channel_in_gap(p->channel),
                                      .since = p->since,
                                      .sent = stats->sent,
                                      .received = stats->received};

    memcpy(out.key, p->key, sizeof(out.key));
    for (unsigned i = 0; c != NULL && i < c->length; i++)
        out.path[out.path_length++] = c->hop[i].target.ep;
    return out;
}

uint32_t service_of_peer(const struct services *s, uint64_t peer)
{
    const struct service_peer *p = peer_find(s, peer);

    return p == NULL ? 0 : p->service->id;
}

unsigned service_peers(const struct services *s, uint32_t id,
                       struct service_peer_status *out, unsigned max)
{
    unsigned count = 0;

    for (unsigned i = 0; i < s->peer_count; i++) {
        const struct service_peer *p = s->peers[i];

        if (!p->told || (id != 0 && p->service->id != id))
            continue;
        if (count < max)
            out[count] = status_of(p);
        count++;
    }
    return count;
}

unsigned services_list(const struct services *s, uint32_t *ids, unsigned max)
{
    unsigned count = 0;

    for (unsigned i = 0; i < s->count; i++) {
        if (s->list[i]->leaving)
            continue;
        if (count < max)
            ids[count] = s->list[i]->id;
        count++;
    }
    return count;
}

const struct services_stats *services_stats(const struct services *s)
{
    return &s->stats;
}

const struct finder_stats *services_finder_stats(const struct services *s)
{
    return finder_stats(s->finder);
}

unsigned services_stems_ready(const struct services *s)
{
    unsigned ready = 0;

    for (unsigned i = 0; i <= SERVICE_HOPS_MAX; i++)
        if (s->clients[i] != NULL)
            ready += stem_kit_ready(s->clients[i]);
    for (unsigned i = 0; i < s->count; i++)
        if (s->list[i]->kit != NULL)
            ready += stem_kit_ready(s->list[i]->kit);
    return ready;
}

const struct vanguard_set *services_layer2(const struct services *s)
{
    return &s->vanguards.layer2;
}
