/* SPDX-License-Identifier: MIT
 *
 * Handlers come back in: every function of the interface out of every handler,
 * at both ends.
 */
#include "stream_world.h"

/* ---- What is done ------------------------------------------------------- */

struct place {
    struct world *w;
    struct world_side *side;
    struct stream_conn *c;
    struct stream *st; /* NULL out of moved, over and accept */
};

static void do_open(const struct place *p)
{
    struct flow *f = flow_new(p->w);

    f->out_total = 3000;
    f->finish = true;
    if (stream_open(p->c, f, p->w->now, &f->st) == OK)
        flow_pump(f);
}

static void do_write(const struct place *p)
{
    if (p->st != NULL)
        stream_write(p->st, TEST_BYTES("said in a handler"), p->w->now);
}

static void do_finish(const struct place *p)
{
    if (p->st != NULL)
        stream_finish(p->st, p->w->now);
}

static void do_reset(const struct place *p)
{
    if (p->st != NULL)
        stream_reset(p->st, 5, p->w->now);
}

static void do_resume(const struct place *p)
{
    if (p->st != NULL)
        stream_resume(p->st, p->w->now);
}

/* All streams of this end. */
static void do_reset_all(const struct place *p)
{
    for (size_t i = 0; i < p->w->flow_count; i++) {
        struct stream *st = p->w->flows[i]->st;

        if (st != NULL && stream_conn_of(st) == p->c)
            stream_reset(st, 6, p->w->now);
    }
}

static void do_close(const struct place *p)
{
    stream_conn_close(p->c, 7, p->w->now);
}

static void do_move(const struct place *p)
{
    static uint64_t path = 10;

    path = path == 20 ? 10 : path + 1;
    stream_move(p->c, path, p->w->now);
}

static void do_connect(const struct place *p)
{
    struct stream_conn *c;
    struct flow *f = flow_new(p->w);

    f->out_total = 100;
    if (stream_connect(p->side->s, 30, 0, &world_handler, p->side, p->w->now,
                       &c) == OK &&
        stream_open(c, f, p->w->now, &f->st) == OK)
        flow_pump(f);
}

static void do_receive(const struct place *p)
{
    uint8_t noise[50] = {0x40, 1, 2, 3, 4};

    for (unsigned to = 0; to < 2; to++)
        streams_receive(p->side->s, 1, to, NULL, noise, sizeof(noise),
                        p->w->now);
}

static void do_tick(const struct place *p)
{
    streams_tick(p->side->s, p->w->now);
    assert_true(streams_next_deadline(p->side->s) <= TIME_NEVER);
}

static void do_path_gone(const struct place *p)
{
    streams_path_gone(p->side->s, stream_conn_path(p->c), p->w->now);
}

static void do_look(const struct place *p)
{
    stream_conn_path(p->c);
    stream_conn_answered(p->c);
    stream_conn_streams(p->c);
    stream_conn_rtt(p->c);
    stream_conn_holder(p->c);
    streams_stats(p->side->s);
    if (p->st != NULL)
        stream_room(p->st);
}

typedef void action_fn(const struct place *p);

static const struct {
    const char *name;
    action_fn *run;
} actions[] = {
    {"open", do_open},       {"write", do_write},   {"finish", do_finish},
    {"reset", do_reset},     {"resume", do_resume}, {"reset all", do_reset_all},
    {"close", do_close},     {"move", do_move},     {"connect", do_connect},
    {"receive", do_receive}, {"tick", do_tick},     {"path gone", do_path_gone},
    {"look", do_look},
};

/* ---- Where -------------------------------------------------------------- */

static const char *const places[] = {"opened", "data",   "writable",
                                     "reset",  "closed", "moved",
                                     "over",   "accept", "openable"};

static struct {
    action_fn *run;
    const char *where;
    unsigned side;
    unsigned after; /* times that it is left out */
    unsigned done;
} plan;

static void act(const struct place *p, const char *where)
{
    if (strcmp(where, plan.where) != 0 || p->side->index != plan.side)
        return;
    if (plan.after > 0) {
        plan.after--;
        return;
    }
    if (plan.done++ < 3)
        plan.run(p);
}

static void meddle(struct world *w, struct flow *f, const char *where)
{
    struct world_side *side = stream_conn_holder(stream_conn_of(f->st));
    const struct place p = {w, side, stream_conn_of(f->st), f->st};

    act(&p, where);
}

static void meddle_conn(struct world *w, struct world_side *side,
                        struct stream_conn *c, const char *where)
{
    const struct place p = {w, side, c, NULL};

    act(&p, where);
}

/* Opens streams until there may be no more, and resets them. */
static void fill(struct world *w, struct stream_conn *c)
{
    size_t first = w->flow_count;

    while (w->flow_count < first + 100) {
        struct flow *f = flow_new(w);

        if (stream_open(c, f, w->now, &f->st) != OK)
            break;
    }
    for (size_t i = first; i < w->flow_count; i++)
        if (w->flows[i]->st != NULL && w->side[OPENER].conn == c)
            stream_reset(w->flows[i]->st, 1, w->now);
}

/* All handlers are called in this, at both ends. */
static void play(struct world *w)
{
    struct stream_conn *c = world_connect(w, 1);
    struct flow *f[4] = {NULL};

    w->like.out_total = 180000;
    w->like.finish = true;
    for (unsigned i = 0; i < 4 && w->side[OPENER].conn != NULL; i++)
        f[i] = world_flow(w, c, i < 2 ? 180000 : 3000);
    if (strcmp(plan.where, "openable") == 0 && w->side[OPENER].conn == c)
        fill(w, c);
    world_run(w, 120 * TIME_MS);
    if (w->side[OPENER].conn == c && f[0] != NULL && f[0]->st != NULL)
        stream_reset(f[0]->st, 1, w->now);
    if (w->flow_count > 5 && w->flows[5]->st != NULL)
        stream_reset(w->flows[5]->st, 1, w->now);
    world_run(w, 50 * TIME_MS);
    if (w->side[OPENER].conn == c)
        stream_move(c, 2, w->now);
    world_run(w, 300 * TIME_MS);
    if (w->side[OPENER].conn != NULL)
        stream_conn_close(w->side[OPENER].conn, 1, w->now);
    world_run(w, 300 * TIME_MS);
}

static unsigned play_one(size_t action, size_t place, unsigned side,
                         unsigned after)
{
    struct stream_config config;
    struct world *w;

    stream_config_init(&config);
    w = world_new(6, &config);
    for (size_t i = 0; i < WORLD_PATHS; i++) {
        w->paths[i].loss = 100;
        w->paths[i].delay = 10 * TIME_MS;
    }
    plan.run = actions[action].run;
    plan.where = places[place];
    plan.side = side;
    plan.after = after;
    plan.done = 0;
    w->meddle = meddle;
    w->meddle_conn = meddle_conn;
    play(w);
    for (size_t i = 0; i < w->flow_count; i++)
        assert_true(w->flows[i]->closed <= 1);
    world_free(w);
    return plan.done;
}

static void test_stream_reentry_all_from_all(void **state)
{
    unsigned done[COUNT_OF(places)] = {0};

    (void)state;
    for (size_t a = 0; a < COUNT_OF(actions); a++) {
        for (size_t p = 0; p < COUNT_OF(places); p++) {
            for (unsigned side = 0; side < 2; side++) {
                for (unsigned after = 0; after < 6; after += 3)
                    done[p] += play_one(a, p, side, after);
            }
        }
    }
    for (size_t p = 0; p < COUNT_OF(places); p++) {
        print_message("%s: %u\n", places[p], done[p]);
        assert_true(done[p] >= COUNT_OF(actions));
    }
}

/* ---- Handlers that always have something new ---------------------------- */

static void again(struct world *w, struct flow *f, const char *where)
{
    if (strcmp(where, "closed") == 0 && w->flow_count < 1000) {
        struct flow *next = flow_new(w);

        if (stream_open(stream_conn_of(f->st), next, w->now, &next->st) == OK)
            stream_reset(next->st, 1, w->now);
    }
}

static void test_stream_reentry_ends(void **state)
{
    struct stream_config config;
    struct world *w;
    struct flow *f;

    (void)state;
    stream_config_init(&config);
    w = world_new(7, &config);
    w->meddle = again;
    f = world_flow(w, world_connect(w, 1), 10);
    stream_reset(f->st, 1, w->now);
    assert_true(w->flow_count < 20);
    world_run(w, TIME_S);
    assert_true(w->flow_count >= 1000);
    world_free(w);
}

/* Whoever holds a stream looks at the clock later than whoever reads packets in
 * batches: between two packets of one batch time goes back. */
static bool resume_ahead(struct world *w, struct world_packet *p)
{
    (void)p;
    if (w->flows[0]->st != NULL)
        stream_resume(w->flows[0]->st, w->now + w->ahead);
    return true;
}

static void test_stream_reentry_clocks_differ(void **state)
{
    struct stream_config config;
    struct world *w;
    struct flow *f;

    (void)state;
    stream_config_init(&config);
    w = world_new(3, &config);
    w->like.echo = true;
    w->tap = resume_ahead;
    w->ahead = 3 * TIME_MS;
    f = world_flow(w, world_connect(w, 1), 300000);
    world_run(w, 10 * TIME_S);
    assert_int_equal(f->in, 300000);
    assert_int_equal(f->closed, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_reentry_all_from_all),
        cmocka_unit_test(test_stream_reentry_ends),
        cmocka_unit_test(test_stream_reentry_clocks_differ),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
