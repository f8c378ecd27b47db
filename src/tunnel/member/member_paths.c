/* SPDX-License-Identifier: MIT
 *
 * Which relays our circuits go through, and what the directory learns from
 * how they did.
 */
#include "tunnel/member/member_internal.h"

#include <string.h>

/* ---- Choosing ----------------------------------------------------------- */

static struct bytes summary_for(const struct descriptor *exit,
                                enum member_protocol protocol)
{
    return protocol == MEMBER_TCP ? descriptor_tcp_policy(exit)
                                  : descriptor_exit_policy(exit);
}

static bool suits(void *ctx, const struct descriptor *exit)
{
    const struct member_need *need = ctx;
    struct bytes summary = summary_for(exit, need->protocol);

    return need->port != 0 ? policy_summary_accepts(summary, need->port)
                           : policy_summary_accepts_any(summary);
}

/* It may connect where its summary does not say. */
static bool takes_streams(void *ctx, const struct descriptor *exit)
{
    (void)ctx;
    return exit->tcp_policy_len > 0;
}

static enum path_result
choose_exit(struct member *t, const struct path_request *request,
            bool (*exit_suits)(void *ctx, const struct descriptor *exit),
            struct member_need need, struct path *path)
{
    struct path_request r = *request;

    r.exit = true;
    r.exit_suits = exit_suits;
    r.exit_ctx = &need;
    return path_choose(t->directory, &t->guards, &r, &t->env.random, t->wall,
                       t->ticked_at, path);
}

/* Where nobody says that he sends there, with any exit: a summary is a hint,
 * and leaves out what is sent to single networks only. */
static enum path_result choose(struct member *t,
                               const struct path_request *request,
                               struct member_need need, struct path *path)
{
    bool streams = need.protocol == MEMBER_TCP;
    enum path_result result = choose_exit(t, request, suits, need, path);

    if (result == PATH_NO_EXITS && need.port != 0) {
        need.port = 0;
        result = choose_exit(t, request, suits, need, path);
    }
    if (result != PATH_NO_EXITS)
        return result;
    return choose_exit(t, request, streams ? takes_streams : NULL, need, path);
}

static bool lacks_relays(enum path_result r)
{
    return r != PATH_FOUND && r != PATH_GUARDS_FAILING;
}

/* Others are looked for when with them there would be one of each length. */
static bool is_found(struct member *t, enum path_result r)
{
    bool needed = lacks_relays(r);

    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++)
        needed = needed || lacks_relays(member_path_of(t, hops));
    directory_set_needed(t->directory, needed, t->ticked_at);
    return r == PATH_FOUND;
}

enum error member_choose_path(void *ctx, unsigned hops, struct link_target *out)
{
    struct member *t = ctx;
    struct path_request request = {.hops = hops};
    struct path path = {0};

    if (!member_news_reserve(t))
        return ERR_NO_MEMORY;
    t->path[hops] = choose(t, &request, (struct member_need){0}, &path);
    if (!is_found(t, t->path[hops]))
        return ERR_NO_NODES;
    memcpy(out, path.hops, hops * sizeof(*out));
    return OK;
}

/* Those that are gone are left out of the next path: it is better than the one
 * that has just failed. */
static void try_without_those_gone(struct member *t, uint64_t now)
{
    uint64_t gone = directory_stats(t->directory)->gone;

    if (gone == t->gone)
        return;
    t->gone = gone;
    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++)
        if (member_active(t, hops, NULL, 0) == 0)
            pool_hurry(&t->pool, hops, now);
}

void member_path_again(struct member *t, uint64_t now)
{
    uint64_t learned = directory_stats(t->directory)->learned;

    try_without_those_gone(t, now);
    if (learned == t->learned)
        return;
    t->learned = learned;
    if (member_news_reserve(t)) /* else there is the next one */
        member_tell(t, &(struct member_event){.kind = MEMBER_LEARNED});
    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++)
        if (lacks_relays(member_path_of(t, hops)))
            pool_hurry(&t->pool, hops, now);
}

void member_guards_settle(struct member *t, uint64_t now)
{
    if (guards_are_overdue(&t->guards, t->directory))
        guards_update(&t->guards, t->directory, &t->env.random, t->wall, now);
}

/* A path whose last hop is to be this one. */
struct insistence {
    uint8_t exit[1][32];
    struct path_place places[ONION_HOPS_MAX];
};

static void insist(struct path_request *request, struct insistence *on,
                   const uint8_t exit[32])
{
    struct path_place *last = &on->places[request->hops - 1];

    memset(on, 0, sizeof(*on));
    memcpy(on->exit[0], exit, sizeof(on->exit[0]));
    last->among = (const uint8_t(*)[32])on->exit;
    last->among_count = 1;
    request->places = on->places;
}

/* A relay that keeps to its limits did not fail. */
static bool is_failure(enum reason why)
{
    return why != REASON_FULL && why != REASON_IDLE && why != REASON_AGE &&
           why != REASON_TRAFFIC;
}

/* Hop `hop`, from 1, is gone or was not reached. Whatever the reason that is
 * given, who gives it often is doubted: else that would be the one to give. A
 * first hop that is full may say so before it takes a circuit. */
static void judge(struct member *t, const struct circuit *c, unsigned hop,
                  enum reason why, uint64_t now)
{
    const uint8_t *at = c->hop[hop - 1].target.identity;

    if (hop > 1)
        directory_parted(t->directory, c->hop[hop - 2].target.identity, at,
                         hop == 2, is_failure(why), now);
    else if (is_failure(why))
        directory_failed(t->directory, at, now);
    else if (c->built > 0)
        directory_doubted(t->directory, at, now);
}

/* The hop that failed is avoided, and the one before it if that is possible:
 * which of them it was is not known. */
bool member_replace_hops(void *ctx, const struct circuit *c, unsigned stands,
                         unsigned hop, enum reason why, struct link_target *out)
{
    struct member *t = ctx;
    const struct member_client *client = c->above;
    struct member_need need = {0};
    uint8_t avoid[2][32];
    struct path_request request = {.hops = c->length,
                                   .avoid = (const uint8_t(*)[32])avoid,
                                   .avoid_count = hop - stands};
    struct insistence on;
    struct path path = {.count = stands};
    enum path_result result;

    if (client != NULL)
        need = client->need;
    if (client != NULL && client->keeps_exit)
        insist(&request, &on, client->exit);
    judge(t, c, hop, why, t->ticked_at);
    memcpy(avoid[0], c->hop[hop - 1].target.identity, 32);
    memcpy(avoid[1], c->hop[hop - 2].target.identity, 32);
    for (unsigned i = 0; i < stands; i++)
        path.hops[i] = c->hop[i].target;
    result = choose(t, &request, need, &path);
    request.avoid_count = 1;
    if (result != PATH_FOUND)
        result = choose(t, &request, need, &path);
    if (!is_found(t, result)) {
        t->judged = c->id;
        return false;
    }
    memcpy(out, path.hops + stands, (c->length - stands) * sizeof(*out));
    return true;
}

enum error member_open(struct member *t, unsigned hops,
                       const struct member_wish *wish, uint64_t now,
                       uint32_t *circuit)
{
    struct path_request request = {
        .hops = hops, .avoid = wish->avoid, .avoid_count = wish->avoid_count};
    struct member_need need = {wish->protocol, wish->port};
    struct insistence on;
    struct member_client *client;
    struct path path = {0};
    enum path_result result;
    struct circuit *c;
    enum error e;

    if (hops < 1 || hops > ONION_HOPS_MAX)
        return ERR_RANGE;
    if (t->ending)
        return ERR_CANCELLED;
    if (!member_news_reserve(t))
        return ERR_NO_MEMORY;
    t->ticked_at = now;
    if (wish->exit != NULL)
        insist(&request, &on, wish->exit);
    result = wish->port != 0 ? choose_exit(t, &request, suits, need, &path)
                             : choose(t, &request, need, &path);
    if (result != PATH_FOUND)
        return ERR_NO_NODES;
    e = pool_add(&t->pool, path.hops, hops, wish->exit != NULL, now, &c);
    if (e != OK)
        return e;
    client = member_client_of(c);
    if (client != NULL) /* else a hop may be replaced by another exit */
        client->need = need;
    *circuit = c->id;
    return wish->exit == NULL ? OK : member_keep_exit(t, c->id);
}

enum error member_keep_exit(struct member *t, uint32_t circuit)
{
    struct circuit *c = member_find(t, circuit);
    struct member_client *client = c == NULL ? NULL : member_client_of(c);

    if (client == NULL)
        return c == NULL ? ERR_NOT_FOUND : ERR_NO_MEMORY;
    client->keeps_exit = true;
    return member_exit_of(t, circuit, client->exit) ? OK : ERR_NOT_FOUND;
}

/* ---- Exits -------------------------------------------------------------- */

bool member_exit_of(const struct member *t, uint32_t circuit,
                    uint8_t identity[32])
{
    const struct circuit *c = member_find(t, circuit);

    if (c != NULL)
        memcpy(identity, c->hop[c->length - 1].target.identity, 32);
    return c != NULL;
}

static bool exit_says(const struct member *t, uint32_t circuit,
                      enum member_protocol protocol, uint16_t port)
{
    const struct known_relay *exit;
    struct bytes summary;
    uint8_t identity[32];

    if (!member_exit_of(t, circuit, identity))
        return false;
    exit = directory_find(t->directory, identity);
    if (exit == NULL)
        return false;
    summary = summary_for(&exit->d, protocol);
    return port != 0 ? policy_summary_accepts(summary, port) : summary.len > 0;
}

bool member_sends_to(const struct member *t, uint32_t circuit, uint16_t port)
{
    return exit_says(t, circuit, MEMBER_UDP, port);
}

bool member_connects_to(const struct member *t, uint32_t circuit, uint16_t port)
{
    return exit_says(t, circuit, MEMBER_TCP, port);
}

bool member_retires(const struct member *t, uint32_t circuit)
{
    const struct circuit *c = member_find(t, circuit);

    return c == NULL || c->retiring || c->closing;
}

/* Building goes to each hop in turn, there and back: in all (n + 1) / 2 times
 * as far as to the last one. */
uint64_t member_rtt_of(const struct member *t, uint32_t circuit)
{
    const struct circuit *c = member_find(t, circuit);

    if (c == NULL)
        return 0;
    if (c->hop[c->length - 1].rtt != 0)
        return c->hop[c->length - 1].rtt;
    return 2 * c->build_time / (c->length + 1);
}

/* ---- What became of it -------------------------------------------------- */

/* Who else than we has named a hop learns nothing by how it is judged, nor can
 * he have the one before it doubted: it is left out. */
void member_path_worked(struct member *t, const struct circuit *c)
{
    for (unsigned i = 0; i < c->chosen; i++)
        directory_succeeded(t->directory, c->hop[i].target.identity,
                            i == 0 ? c->end.link->rtt : 0, t->wall);
}

void member_path_ended(struct member *t, const struct circuit *c, unsigned hop,
                       enum reason why, uint64_t now)
{
    if (hop <= c->chosen &&
        t->judged != c->id) /* by member_replace_hops, just before */
        judge(t, c, hop, why, now);
}

void member_path_measured(struct member *t, const struct circuit *c,
                          uint64_t bytes)
{
    uint64_t rate = bytes / 1000;

    if (rate == 0)
        return;
    if (rate > UINT32_MAX)
        rate = UINT32_MAX;
    for (unsigned i = 0; i < c->length; i++)
        directory_measured(t->directory, c->hop[i].target.identity,
                           (uint32_t)rate, t->wall);
}
