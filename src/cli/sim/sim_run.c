/* SPDX-License-Identifier: MIT
 *
 * Each run has a scenario and an experiment of its own; of those that are over
 * the measures stay, and of the first the steps of its lookups.
 */
#include "cli/sim/sim_run.h"

#include "base/timestamp.h"
#include "cli/show/say.h"
#include "cli/sim/sim_progress.h"
#include "node/os/clock.h"
#include "sim/experiment/experiment.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(SCENARIO_HASH_SIZE <= REPORT_HASH_SIZE &&
                   SWEEP_AXES_MAX <= REPORT_SWEEPS_MAX,
               "a report has room for what a plan has");

#define ERRORS_LIMIT (64 * 1024)
#define WRITE_EVERY  (3 * TIME_S) /* real time between two states of tables */
#define WRITE_SHARE  20           /* of all time at most one part in so many */

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void listen_to_signals(void)
{
    struct sigaction a = {.sa_handler = on_signal};

    /* The second one kills: somebody is in a hurry. */
    a.sa_flags = (int)SA_RESETHAND;
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

/* ---- Before the first run ------------------------------------------------ */

enum exit_code sim_check(const struct sim_plan *p)
{
    struct scenario *s = malloc(sizeof(*s));
    uint64_t runs = sweep_runs(&p->sweep);
    enum error err = s == NULL ? ERR_NO_MEMORY : OK;
    enum exit_code code = EXIT_DONE;
    struct text errors;

    text_init(&errors, ERRORS_LIMIT);
    /* All points are looked at, so that all mistakes are told. */
    for (uint64_t run = 0; run < runs && (err == OK || err == ERR_SYNTAX);
         run += p->sweep.repeat) {
        enum error wrong = sim_plan_scenario(p, run, s, &errors);

        err = wrong != OK ? wrong : err;
    }
    if (err != OK)
        code = cli_say(err == ERR_SYNTAX ? EXIT_USAGE : EXIT_TROUBLE,
                       error_name(err),
                       errors.len > 0 ? text_get(&errors) : error_text(err));
    text_deinit(&errors);
    free(s);
    return code;
}

/* ---- Results ------------------------------------------------------------- */

/* Where it is swept, the values tell. */
static enum error find_dht(struct report *r, const struct sim_plan *p,
                           struct text *why)
{
    struct scenario *s = malloc(sizeof(*s));
    enum error err = s == NULL ? ERR_NO_MEMORY : OK;
    bool swept = false;

    for (unsigned i = 0; i < r->sweeps; i++)
        swept |= strcmp(r->sweep[i], "nodes.dialect") == 0 ||
                 strcmp(r->sweep[i], "nodes.both") == 0;
    if (err == OK)
        err = sim_plan_scenario(p, 0, s, why);
    if (err == OK && !swept)
        r->dht = scenario_dht(s);
    free(s);
    return err;
}

static enum error results_init(struct sim_results *out,
                               const struct sim_plan *p, struct text *why)
{
    const char *slash = p->file == NULL ? NULL : strrchr(p->file, '/');
    struct report *r = &out->report;
    enum error err;

    *out = (struct sim_results){.runs = sweep_runs(&p->sweep)};
    snprintf(out->title, sizeof(out->title), "%s",
             p->file == NULL ? "warren sim"
             : slash == NULL ? p->file
                             : slash + 1);
    r->title = out->title;
    r->traces = &out->traces;
    r->sweeps = p->sweep.axes;
    for (unsigned i = 0; i < r->sweeps; i++) {
        r->sweep[i] = p->sweep.axis[i].name;
        if (sim_plan_is_bytes(r->sweep[i]))
            r->sweep_unit[i] = UNIT_BYTES;
    }
    out->run = calloc((size_t)(out->runs / p->parts) + 1, sizeof(*out->run));
    r->runs = out->run;
    err = out->run == NULL ? ERR_NO_MEMORY : find_dht(r, p, why);
    return err == OK ? sim_plan_hash(p, r->hash, why) : err;
}

void sim_results_deinit(struct sim_results *r)
{
    /* What `measures` points to is owned here, and const for readers alone. */
    for (size_t i = 0; i < r->report.run_count; i++)
        measures_free((struct measures *)(uintptr_t)r->run[i].measures);
    trace_log_deinit(&r->traces);
    free(r->run);
    *r = (struct sim_results){0};
}

/* ---- One run ------------------------------------------------------------- */

struct work {
    const struct sim_plan *plan;
    struct sim_results *out;
    struct sim_progress progress;
    uint64_t write_at; /* when the tables are written again, real ns */
    struct text why;
};

/* Tables of all that there is, with the run under way, so that whatever ends
 * this process leaves them. */
static void write_tables(struct work *w, const struct experiment *x)
{
    struct report *r = &w->out->report;
    struct report_run *run = &w->out->run[r->run_count];
    uint64_t now = clock_now(), rest;

    if (w->plan->csv == NULL || now < w->write_at)
        return;
    run->measures = experiment_measures(x);
    run->complete = false;
    r->run_count++;
    report_csv(r, w->plan->csv, &w->why); /* told when it ends, if still so */
    r->run_count--;
    text_clear(&w->why);
    /* All runs are written each time: of many that takes long. */
    rest = WRITE_SHARE * (clock_now() - now);
    w->write_at = now + (rest > WRITE_EVERY ? rest : WRITE_EVERY);
}

static enum error steps(struct work *w, struct experiment *x, bool *done)
{
    enum error err = OK;

    *done = false;
    while (!*done && !stop && err == OK) {
        uint64_t all, at;

        err = experiment_step(x, done);
        at = experiment_time(x, &all);
        sim_progress_tell(&w->progress, at, all, experiment_present(x),
                          experiment_datagrams(x));
        write_tables(w, x);
    }
    return err;
}

/* More only wait for each other; the results are the same. */
static unsigned at_most_processors(unsigned threads)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n > 0 && (unsigned long)n < threads ? (unsigned)n : threads;
}

static enum error one_run(struct work *w, uint64_t number)
{
    struct scenario *s = calloc(1, sizeof(*s));
    struct report *r = &w->out->report;
    struct report_run *run = &w->out->run[r->run_count];
    struct experiment *x = NULL;
    enum error err = ERR_NO_MEMORY;

    if (s != NULL)
        err = sim_plan_scenario(w->plan, number, s, &w->why);
    if (err == OK) {
        s->run.threads = at_most_processors(s->run.threads);
        err = experiment_new(s, &x, &w->why);
    }
    if (err == OK) {
        *run = (struct report_run){.number = number, .seed = s->run.seed};
        sweep_values(&w->plan->sweep, number, run->value);
        err = steps(w, x, &run->complete);
        run->measures =
            experiment_end(x, r->run_count == 0 ? &w->out->traces : NULL);
        r->run_count++;
    }
    free(s);
    return err;
}

/* ---- All of them --------------------------------------------------------- */

static enum exit_code say_failure(struct work *w, enum error err)
{
    if (w->why.len == 0)
        text_addf(&w->why, "%s", error_text(err));
    /* With --json the report is the one object that is printed. */
    if (w->out->report.run_count > 0) {
        fprintf(stderr, "warren: %s; what was measured until then follows\n",
                text_get(&w->why));
        return EXIT_TROUBLE;
    }
    return cli_say(err == ERR_SYNTAX ? EXIT_USAGE : EXIT_TROUBLE,
                   error_name(err), text_get(&w->why));
}

enum exit_code sim_do(const struct sim_plan *p, struct sim_results *out)
{
    struct work w = {
        .plan = p, .out = out, .write_at = clock_now() + WRITE_EVERY};
    enum exit_code code = EXIT_DONE;
    enum error err;

    text_init(&w.why, ERRORS_LIMIT);
    listen_to_signals();
    err = results_init(out, p, &w.why);
    sim_progress_init(&w.progress, (out->runs + p->parts - p->part) / p->parts);
    for (uint64_t run = p->part - 1; run < out->runs && err == OK && !stop;
         run += p->parts) {
        err = one_run(&w, run);
        w.progress.run++;
    }
    sim_progress_clear(&w.progress);
    if (err != OK)
        code = say_failure(&w, err);
    else if (stop) {
        fprintf(stderr, "warren: ended early; this is what there is\n");
        code = EXIT_NEGATIVE;
    }
    text_deinit(&w.why);
    return code;
}
