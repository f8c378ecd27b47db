/* SPDX-License-Identifier: MIT
 *
 * Kits and the stems in them. A stem lives in a slot of its kit, BUILDING, then
 * ready, until somebody takes its circuit or it gets old; at three quarters of
 * that age its successor is built. What a taker wants and no stem is, is
 * planned: its path is chosen at once, and built in the next tick.
 *
 *     stem_take --nothing suits--> plan --tick--> building --> ready --> taken
 *                                  refill --^
 */
#include "tunnel/stem/stem.h"

#include "tunnel/path/path_weight.h"
#include "tunnel/stem/way.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define PLANS 4

/* Between tries. */
#define PAUSE_MIN      (250 * TIME_MS)
#define PAUSE_WAITED   (30 * TIME_MS) /* while somebody waits */
#define PAUSE_NO_PATH  (2 * TIME_S)   /* at most, when no path was found, */
#define PAUSE_CIRCUITS (30 * TIME_S)  /* and when circuits failed */
#define LATE_TIMES     2              /* of what a stem should take, */
#define LATE_LEAST     (50 * TIME_MS) /* before another one is built */
#define NEWS_MAX       3              /* failures that make no pause */
#define VAIN           6  /* failures after which who failed is not back */
#define WAITED_MAX     12 /* while somebody waits: the lost are known still */

struct stem {
    struct stem_kit *kit;
    struct circuit *c; /* NULL: a free slot */
    bool ready;
};

struct stem_kit {
    LIST_ENTRY(stem_kit) link;
    struct stems *s;
    uint64_t id;
    void *arg;
    unsigned hops;
    struct vanguard_set *third; /* NULL: a client's */
    struct stem slots[STEM_SLOTS];
    struct path plans[PLANS];
    unsigned plan_count;
    bool begun;   /* used_at is set */
    bool waiting; /* somebody was given none */
    bool tell;    /* env.ready is due, with `path` */
    enum path_result path;
    uint64_t used_at;
    uint64_t retry_at;
    bool starved;      /* until then, because no path was found; */
    unsigned known;    /* relays, when one was looked for last */
    uint64_t tell_at;  /* that nothing suits; 0: not */
    uint64_t deadline; /* of its next tick; 0: now */
    unsigned failures;
    uint64_t news_at; /* when the last of them was at a relay that was lost */
};

struct stems {
    struct stems_env env;
    LIST_HEAD(, stem_kit) kits;
    uint64_t next_id;
    bool ticked;
    uint64_t wall, wall_at; /* the wall clock at a monotonic time */
};

static uint64_t wall_now(const struct stems *s, uint64_t now)
{
    return s->wall + time_since(s->wall_at, now) / TIME_S;
}

/* ---- Slots -------------------------------------------------------------- */

static struct stem *free_slot(struct stem_kit *k)
{
    for (unsigned i = 0; i < STEM_SLOTS; i++)
        if (k->slots[i].c == NULL)
            return &k->slots[i];
    return NULL;
}

static uint64_t age_of(const struct stem *stem, uint64_t now)
{
    return time_since(stem->c->created_at, now);
}

/* From then on its successor is built. */
static uint64_t old_age(const struct stem_kit *k)
{
    return k->s->env.max_age / 4 * 3;
}

/* Through none of those that were lost a moment ago. */
static bool leads_clear(const struct stem_kit *k, const struct circuit *c,
                        uint64_t now)
{
    const struct lost_relays *lost = circuits_lost(k->s->env.circuits);

    for (unsigned i = 0; i < c->length; i++)
        if (lost_relays_has(lost, c->hop[i].target.identity, now))
            return false;
    return true;
}

/* By what others took it should be ready by then, and may never be. */
static uint64_t late_at(const struct stem_kit *k, const struct stem *stem)
{
    uint64_t time = 0;

    if (stem->ready)
        return TIME_NEVER;
    for (unsigned i = 1; i <= k->hops; i++)
        time += circuits_overdue(k->s->env.circuits, i);
    time *= LATE_TIMES;
    return time_after(stem->c->created_at,
                      time > LATE_LEAST ? time : LATE_LEAST);
}

static bool is_late(const struct stem_kit *k, const struct stem *stem,
                    uint64_t now)
{
    return k->waiting && now >= late_at(k, stem);
}

/* Those that are not to be replaced soon. */
static unsigned young(const struct stem_kit *k, uint64_t now)
{
    unsigned count = 0;

    for (unsigned i = 0; i < STEM_SLOTS; i++)
        count += k->slots[i].c != NULL &&
                 age_of(&k->slots[i], now) < old_age(k) &&
                 leads_clear(k, k->slots[i].c, now) &&
                 !is_late(k, &k->slots[i], now);
    return count;
}

unsigned stem_kit_ready(const struct stem_kit *kit)
{
    unsigned count = 0;

    for (unsigned i = 0; i < STEM_SLOTS; i++)
        count += kit->slots[i].c != NULL && kit->slots[i].ready;
    return count;
}

static void drop(struct stem *stem, uint64_t now)
{
    struct circuit *c = stem->c;

    stem->c = NULL;
    route_drop(stem->kit->s->env.circuits, c, now);
}

static struct stem *oldest_ready(struct stem_kit *k, uint64_t now)
{
    struct stem *oldest = NULL;

    for (unsigned i = 0; i < STEM_SLOTS; i++) {
        struct stem *stem = &k->slots[i];

        if (stem->c != NULL && stem->ready &&
            (oldest == NULL || age_of(stem, now) > age_of(oldest, now)))
            oldest = stem;
    }
    return oldest;
}

/* A slot for one that is wanted now: the oldest that nobody wants makes way. */
static struct stem *make_slot(struct stem_kit *k, uint64_t now)
{
    struct stem *slot = free_slot(k);

    if (slot != NULL)
        return slot;
    slot = oldest_ready(k, now);
    if (slot != NULL)
        drop(slot, now);
    return slot;
}

/* ---- Paths -------------------------------------------------------------- */

static struct way_env way_env_of(const struct stem_kit *k, uint64_t now)
{
    const struct stems *s = k->s;

    return (struct way_env){.hops = k->hops,
                            .third = k->third,
                            .layer2 = &s->env.vanguards->layer2,
                            .directory = s->env.directory,
                            .guards = s->env.guards,
                            .vain = k->failures >= VAIN,
                            .lost = circuits_lost(s->env.circuits),
                            .random = s->env.random,
                            .wall = wall_now(s, now)};
}

static enum path_result find_path(const struct stem_kit *k,
                                  const struct way_want *want, uint64_t now,
                                  struct path *path)
{
    const struct way_env e = way_env_of(k, now);

    return way_find(&e, want, now, path);
}

/* ---- Building ----------------------------------------------------------- */

static void stem_ready(void *holder, struct circuit *c, uint64_t now);
static void stem_closed(void *holder, struct circuit *c, enum reason why,
                        unsigned hop, uint64_t now);

static const struct route_ops ops_of_stems = {.ready = stem_ready,
                                              .closed = stem_closed};

/* Several that fail at once count as one. */
static void pause(struct stem_kit *k, uint64_t most, uint64_t now)
{
    uint64_t wait = k->waiting ? PAUSE_WAITED : PAUSE_MIN;

    if (now < k->retry_at)
        return;
    if (most == PAUSE_CIRCUITS && k->waiting && k->failures < WAITED_MAX)
        most = LOST_LIFE / 2;
    for (unsigned i = 0; i < k->failures && wait < most; i++)
        wait *= 2;
    k->failures++;
    k->starved = most == PAUSE_NO_PATH;
    k->retry_at = now + time_min(wait, most);
}

/* What was planned comes to nothing: who waits for it asks again, when one can
 * be built. */
static void have_asked_again(struct stem_kit *k, uint64_t now)
{
    if (!k->waiting)
        return;
    k->path = PATH_FOUND;
    k->tell_at = k->retry_at > now ? k->retry_at : now;
}

/* There are paths after all. */
static void end_starving(struct stem_kit *k, uint64_t now)
{
    if (!k->starved)
        return;
    k->starved = false;
    k->retry_at = now;
    k->failures = 0;
}

static bool is_used(const struct stem_kit *k, uint64_t now)
{
    return k->begun && time_since(k->used_at, now) < STEM_REST;
}

static void build(struct stem_kit *k, struct stem *slot,
                  const struct path *path, uint64_t now)
{
    struct circuit *c;

    if (route_new(k->s->env.circuits, path->hops, path->count, &ops_of_stems,
                  slot, now, &c) != OK) {
        pause(k, PAUSE_CIRCUITS, now);
        have_asked_again(k, now);
        return;
    }
    *slot = (struct stem){.kit = k, .c = c};
}

static void build_plans(struct stem_kit *k, uint64_t now)
{
    if (now < k->retry_at)
        return;
    for (unsigned i = 0; i < k->plan_count; i++) {
        struct stem *slot = make_slot(k, now);

        if (slot != NULL)
            build(k, slot, &k->plans[i], now);
    }
    k->plan_count = 0;
}

static void refill(struct stem_kit *k, uint64_t now)
{
    while (is_used(k, now) && now >= k->retry_at &&
           young(k, now) < STEM_SPARE) {
        struct stem *slot = free_slot(k);
        struct path path;

        if (slot == NULL)
            return;
        k->path = find_path(k, &(struct way_want){0}, now, &path);
        if (k->path != PATH_FOUND) {
            pause(k, PAUSE_NO_PATH, now);
            k->tell = k->waiting;
            return;
        }
        build(k, slot, &path, now);
    }
}

/* ---- What becomes of them ----------------------------------------------- */

/* May take stems, and free kits. */
static void tell(struct stem_kit *k, uint64_t now)
{
    struct stems *s = k->s;

    k->tell = k->waiting = false;
    k->tell_at = 0;
    s->env.ready(s->env.ctx, k, k->path, now);
}

static void stem_ready(void *holder, struct circuit *c, uint64_t now)
{
    struct stem *stem = holder;
    struct stem_kit *k = stem->kit;

    (void)c;
    stem->ready = true;
    k->failures = 0;
    k->path = PATH_FOUND;
    if (k->waiting)
        tell(k, now);
}

/* The relay at which it failed was not known to be lost when its hops were
 * chosen: the next one goes around it. */
static bool is_news(const struct stem_kit *k, const struct circuit *c,
                    uint64_t now)
{
    const struct lost_relays *lost = circuits_lost(k->s->env.circuits);

    for (unsigned i = 0; i < c->length; i++)
        if (lost_relays_since(lost, c->hop[i].target.identity, c->created_at,
                              now))
            return true;
    return false;
}

/* All may be gone: then each is news. */
static void stem_failed(struct stem_kit *k, const struct circuit *c,
                        uint64_t now)
{
    if (k->failures >= NEWS_MAX || !is_news(k, c, now)) {
        pause(k, PAUSE_CIRCUITS, now);
        return;
    }
    k->failures += k->news_at != now;
    k->news_at = now;
}

static void stem_closed(void *holder, struct circuit *c, enum reason why,
                        unsigned hop, uint64_t now)
{
    struct stem *stem = holder;

    (void)why, (void)hop;
    stem->c = NULL;
    stem->kit->deadline = 0;
    if (stem->ready)
        return;
    stem_failed(stem->kit, c, now);
    have_asked_again(stem->kit, now);
}

/* ---- Taking ------------------------------------------------------------- */

static bool conflicts(const struct stems *s, const uint8_t a[32],
                      const uint8_t b[32])
{
    const struct known_relay *x = directory_find(s->env.directory, a);
    const struct known_relay *y = directory_find(s->env.directory, b);

    return x != NULL && y != NULL &&
           path_conflict(
               &x->d, &y->d,
               directory_config_of(s->env.directory)->testing_network);
}

/* No relay extends to itself, nor back to where a circuit came from. */
static bool leads_on(const struct link_target *hops, unsigned count,
                     const uint8_t target[32])
{
    for (unsigned i = 1; i <= 2 && i <= count; i++)
        if (memcmp(hops[count - i].identity, target, 32) == 0)
            return false;
    return true;
}

static bool suits(const struct stems *s, const struct way_want *want,
                  const struct link_target *hops, unsigned count)
{
    const uint8_t *last = hops[count - 1].identity;

    if (want->target != NULL && !leads_on(hops, count, want->target))
        return false;
    for (unsigned i = 0; i < want->avoid_count; i++)
        if (memcmp(want->avoid[i], last, 32) == 0 ||
            (want->apart && conflicts(s, want->avoid[i], last)))
            return false;
    return true;
}

static bool circuit_suits(const struct stem_kit *k, const struct way_want *want,
                          const struct circuit *c)
{
    struct link_target hops[ONION_HOPS_MAX];

    for (unsigned i = 0; i < c->length; i++)
        hops[i] = c->hop[i].target;
    return suits(k->s, want, hops, c->length);
}

/* The oldest one: what it is wanted for does not matter. */
static struct stem *find_ready(struct stem_kit *k, const struct way_want *want,
                               bool clear, uint64_t now)
{
    struct stem *found = NULL;

    for (unsigned i = 0; i < STEM_SLOTS; i++) {
        struct stem *stem = &k->slots[i];

        if (stem->c == NULL || !stem->ready ||
            age_of(stem, now) >= k->s->env.max_age ||
            !circuit_suits(k, want, stem->c) ||
            (clear && !leads_clear(k, stem->c, now)))
            continue;
        if (found == NULL || age_of(stem, now) > age_of(found, now))
            found = stem;
    }
    return found;
}

static bool is_coming(const struct stem_kit *k, const struct way_want *want,
                      bool clear, uint64_t now)
{
    for (unsigned i = 0; i < STEM_SLOTS; i++)
        if (k->slots[i].c != NULL && !k->slots[i].ready &&
            circuit_suits(k, want, k->slots[i].c) &&
            (!clear || leads_clear(k, k->slots[i].c, now)) &&
            !is_late(k, &k->slots[i], now))
            return true;
    for (unsigned i = 0; i < k->plan_count; i++)
        if (suits(k->s, want, k->plans[i].hops, k->hops))
            return true;
    return false;
}

/* Nothing suits: it is planned, unless refill brings one anyway. */
bool stem_is_coming(const struct stem_kit *kit, const uint8_t target[32],
                    uint64_t now)
{
    const struct way_want want = {.target = target};
    bool pauses = kit->plan_count > 0 && now < kit->retry_at;

    return !pauses && is_coming(kit, &want, false, now);
}

static enum path_result plan(struct stem_kit *k, const struct way_want *want,
                             bool clear, uint64_t now)
{
    enum path_result r;
    struct path path;

    k->waiting = true;
    if (!k->s->ticked || is_coming(k, want, clear, now) ||
        k->plan_count == PLANS)
        return PATH_FOUND;
    r = find_path(k, want, now, &path);
    if (r == PATH_FOUND) {
        end_starving(k, now);
        k->plans[k->plan_count++] = path;
    } else {
        k->path = r;
        k->tell_at = now + PAUSE_NO_PATH;
    }
    return r;
}

static struct circuit *pass(struct stem *stem, const struct route_ops *ops,
                            void *holder)
{
    struct circuit *c = stem->c;

    stem->c = NULL;
    route_pass(c, ops, holder);
    return c;
}

/* There are ways through none of those that were lost. */
static bool has_clear_way(struct stem_kit *k, const struct way_want *want,
                          uint64_t now)
{
    const struct way_env e = way_env_of(k, now);
    uint8_t lost[LOST_MAX][32];
    struct path path;

    return !k->s->ticked || lost_relays_list(e.lost, now, lost) == 0 ||
           way_find_around(&e, want, now, &path);
}

/* One that is ready, or a plan for one: where all ways lead through relays that
 * were lost, those will do. */
static enum path_result take_or_plan(struct stem_kit *k,
                                     const struct way_want *want, uint64_t now,
                                     struct stem **out)
{
    bool clear;

    *out = find_ready(k, want, true, now);
    if (*out != NULL)
        return PATH_FOUND;
    clear = has_clear_way(k, want, now); /* which may forget some of them */
    *out = find_ready(k, want, clear, now);
    return *out != NULL ? PATH_FOUND : plan(k, want, clear, now);
}

/* The kit ticks when that changes anything: who asks in each tick, in vain, is
 * not to have it tick again at once. */
static enum path_result take(struct stem_kit *k, const struct way_want *want,
                             uint64_t now, struct stem **out)
{
    bool rested = !k->begun || !is_used(k, now);
    unsigned plans = k->plan_count;
    enum path_result r;

    k->begun = true;
    k->used_at = now;
    r = take_or_plan(k, want, now, out);
    if (*out != NULL || rested || k->plan_count > plans)
        k->deadline = 0;
    else if (k->tell_at != 0)
        k->deadline = time_min(k->deadline, k->tell_at);
    return r;
}

struct circuit *stem_take(struct stem_kit *kit, const uint8_t target[32],
                          const uint8_t (*avoid)[32], unsigned avoid_count,
                          const struct route_ops *ops, void *holder,
                          uint64_t now)
{
    struct way_want want = {
        .target = target, .avoid = avoid, .avoid_count = avoid_count};
    struct stem *stem;

    take(kit, &want, now, &stem);
    return stem != NULL ? pass(stem, ops, holder) : NULL;
}

/* One hop more for a service's stem: apart from those that are there, or else
 * another than the last of them. */
static enum path_result draw(const struct stem_kit *k, const struct circuit *c,
                             const struct stem_wish *wish, uint64_t now,
                             struct path *path)
{
    const struct stems *s = k->s;
    struct path_place places[ONION_HOPS_MAX] = {{0}};
    struct path_request r = {.hops = c->length + 1, .places = places};
    enum path_result result;

    places[c->length] = (struct path_place){.among = wish->among,
                                            .among_count = wish->among_count,
                                            .but = wish->avoid,
                                            .but_count = wish->avoid_count,
                                            .apart = wish->apart,
                                            .roles = ROLE_MEETING};
    for (unsigned i = 0; i < c->length; i++)
        path->hops[i] = c->hop[i].target;
    path->count = c->length;
    result = path_choose(s->env.directory, s->env.guards, &r, &s->env.random,
                         wall_now(s, now), now, path);
    r.free_last = true;
    if (result != PATH_FOUND)
        result = path_choose(s->env.directory, s->env.guards, &r,
                             &s->env.random, wall_now(s, now), now, path);
    return result;
}

static enum path_result take_and_draw(struct stem_kit *k,
                                      const struct stem_wish *wish,
                                      const struct route_ops *ops, void *holder,
                                      uint64_t now, struct circuit **out)
{
    struct stem *stem;
    struct path path;
    struct circuit *c;
    enum path_result r = take(k, &(struct way_want){0}, now, &stem);

    if (stem == NULL)
        return r;
    r = draw(k, stem->c, wish, now, &path);
    if (r != PATH_FOUND)
        return r;
    c = pass(stem, ops, holder);
    if (circuit_extend(k->s->env.circuits, c, &path.hops[path.count - 1],
                       now) != OK) {
        route_drop(k->s->env.circuits, c, now);
        return PATH_FOUND;
    }
    c->chosen = c->length; /* by us: what fails there is its own fault */
    *out = c;
    return PATH_FOUND;
}

enum path_result stem_take_drawn(struct stem_kit *kit,
                                 const struct stem_wish *wish,
                                 const struct route_ops *ops, void *holder,
                                 uint64_t now, struct circuit **out)
{
    struct way_want want = {.avoid = wish->avoid,
                            .avoid_count = wish->avoid_count,
                            .apart = wish->apart};
    struct stem *stem;
    enum path_result r;

    *out = NULL;
    if (kit->third != NULL)
        return take_and_draw(kit, wish, ops, holder, now, out);
    r = take(kit, &want, now, &stem);
    if (stem != NULL)
        *out = pass(stem, ops, holder);
    return r;
}

enum error stem_again(struct stems *s, const struct circuit *like,
                      unsigned hops, const struct link_target *target,
                      const struct route_ops *ops, void *holder, uint64_t now,
                      struct circuit **out)
{
    struct link_target list[ONION_HOPS_MAX];
    unsigned length = hops + (target != NULL);
    enum error e;

    if (hops < 1 || hops > like->length || length > ONION_HOPS_MAX)
        return ERR_RANGE;
    for (unsigned i = 0; i < hops; i++)
        list[i] = like->hop[i].target;
    if (target != NULL)
        list[hops] = *target;
    e = route_new(s->env.circuits, list, length, ops, holder, now, out);
    if (e == OK)
        (*out)->chosen = hops;
    return e;
}

/* ---- Kits --------------------------------------------------------------- */

enum error stem_kit_new(struct stems *s, unsigned hops,
                        struct vanguard_set *third, void *arg,
                        struct stem_kit **out)
{
    struct stem_kit *k;

    if (hops < 1 || hops >= ONION_HOPS_MAX)
        return ERR_RANGE;
    k = calloc(1, sizeof(*k));
    if (k == NULL)
        return ERR_NO_MEMORY;
    k->s = s;
    k->id = s->next_id++;
    k->hops = hops;
    k->third = third;
    k->arg = arg;
    LIST_INSERT_HEAD(&s->kits, k, link);
    *out = k;
    return OK;
}

static void drop_stems(struct stem_kit *k, uint64_t age, uint64_t now)
{
    for (unsigned i = 0; i < STEM_SLOTS; i++)
        if (k->slots[i].c != NULL && age_of(&k->slots[i], now) >= age)
            drop(&k->slots[i], now);
}

void stem_kit_free(struct stem_kit *kit, uint64_t now)
{
    if (kit == NULL)
        return;
    drop_stems(kit, 0, now);
    LIST_REMOVE(kit, link);
    free(kit);
}

void *stem_kit_arg(const struct stem_kit *kit)
{
    return kit->arg;
}

uint64_t stem_kit_id(const struct stem_kit *kit)
{
    return kit->id;
}

bool stem_kit_is_service(const struct stem_kit *kit)
{
    return kit->third != NULL;
}

enum path_result stem_kit_path(const struct stem_kit *kit)
{
    return kit->path;
}

/* ---- Life --------------------------------------------------------------- */

enum error stems_new(const struct stems_env *env, struct stems **out)
{
    struct stems *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return ERR_NO_MEMORY;
    s->env = *env;
    if (s->env.max_age == 0)
        s->env.max_age = STEM_AGE;
    s->next_id = 1;
    LIST_INIT(&s->kits);
    *out = s;
    return OK;
}

void stems_free(struct stems *s, uint64_t now)
{
    if (s == NULL)
        return;
    while (!LIST_EMPTY(&s->kits))
        stem_kit_free(LIST_FIRST(&s->kits), now);
    free(s);
}

/* When a stem gets old, there is to be a new one, or nobody wants any. */
static uint64_t deadline_of(const struct stem_kit *k, uint64_t now)
{
    uint64_t at = time_after(k->used_at, STEM_REST);
    bool room = false;

    if (!is_used(k, now))
        return TIME_NEVER;
    for (unsigned i = 0; i < STEM_SLOTS; i++) {
        const struct stem *stem = &k->slots[i];
        uint64_t left = k->s->env.max_age;

        room = room || stem->c == NULL;
        if (stem->c == NULL)
            continue;
        if (age_of(stem, now) < old_age(k))
            left = old_age(k);
        if (k->waiting && !is_late(k, stem, now))
            at = time_min(at, late_at(k, stem));
        at = time_min(at, stem->c->created_at + left);
    }
    if (k->plan_count > 0 || (room && young(k, now) < STEM_SPARE))
        at = time_min(at, k->retry_at);
    return k->tell_at != 0 ? time_min(at, k->tell_at) : at;
}

/* No path was found, and other relays are known now. */
static bool may_try_again(const struct stem_kit *k)
{
    return k->starved && directory_count(k->s->env.directory) != k->known;
}

static void kit_tick(struct stem_kit *k, uint64_t now)
{
    if (may_try_again(k))
        end_starving(k, now);
    k->known = directory_count(k->s->env.directory);
    if (!k->begun) {
        k->begun = true;
        k->used_at = now;
    }
    if (is_used(k, now)) {
        drop_stems(k, k->s->env.max_age, now);
        build_plans(k, now);
        refill(k, now);
        k->tell = k->tell || (k->tell_at != 0 && k->tell_at <= now);
    } else {
        k->waiting = false;
        k->tell_at = 0;
        k->plan_count = 0;
        drop_stems(k, 0, now);
    }
    k->deadline = deadline_of(k, now);
}

static struct stem_kit *to_be_told(const struct stems *s)
{
    struct stem_kit *k;

    LIST_FOREACH(k, &s->kits, link)
    if (k->tell)
        return k;
    return NULL;
}

void stems_tick(struct stems *s, uint64_t wall, uint64_t now)
{
    struct stem_kit *k;

    s->ticked = true;
    s->wall = wall;
    s->wall_at = now;
    LIST_FOREACH(k, &s->kits, link)
    kit_tick(k, now);
    while ((k = to_be_told(s)) != NULL)
        tell(k, now);
}

uint64_t stems_next_deadline(const struct stems *s)
{
    const struct stem_kit *k;
    uint64_t at = s->ticked ? TIME_NEVER : 0;

    LIST_FOREACH(k, &s->kits, link)
    at = time_min(at, k->tell || may_try_again(k) ? 0 : k->deadline);
    return at;
}
