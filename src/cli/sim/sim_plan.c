/* SPDX-License-Identifier: MIT
 *
 * Flags become overrides of a scenario's keys. --set and --sweep may stand
 * several times, so the command line is read once more for them.
 */
#include "cli/sim/sim_plan.h"

#include "cli/show/say.h"
#include "node/config/config_keys.h"
#include "sim/scenario/scenario_keys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_LIMIT    1024
#define VALUES_LIMIT (64 * 1024)

const struct cli_option sim_options[] = {
    {"--default", NULL, "print every key of a scenario with its meaning"},
    {"--nodes", "N", "so many nodes (1000)"},
    {"--duration", "TIME", "measure so much virtual time (1h)"},
    {"--loss", "PERCENT", "of all datagrams (0)"},
    {"--churn", "MINUTES", "that a node stays on average (for ever)"},
    {"--seed", "N", "from which chance follows (1)"},
    {"--threads", "N", "processors to use; changes no result (1)"},
    {"--set", "SECTION.KEY=VALUE", "override a key; may stand several times"},
    {"--sweep", "SECTION.KEY=A,B,C", "a run for each value; several: a grid"},
    {"--repeat", "N", "run each under N seeds, for confidence intervals"},
    {"--json", NULL, "print one JSON object for programs"},
    {"--csv", "DIR", "write tables: one row a sample, and more"},
    {"--plot", "DIR", "draw pictures, each beside its script and data"},
    {"--list", NULL, "print the runs as commands for several machines"},
    {"--part", "I/N", "do only each Nth run, from the Ith on"},
    {"--save", "FILE", "write the results for 'warren sim merge'"},
    {NULL, NULL, NULL}};

/* Short forms of keys; what is typed goes into the value. */
static const struct short_form {
    const char *flag, *key, *before, *after;
} short_forms[] = {
    {"--nodes", "nodes.count", "", ""},
    {"--duration", "run.duration", "", ""},
    {"--loss", "network.loss", "", "%"},
    {"--churn", "nodes.session", "exponential ", "m"},
    {"--seed", "run.seed", "", ""},
    {"--threads", "run.threads", "", ""},
};
#define SHORT_FORMS (sizeof(short_forms) / sizeof(short_forms[0]))

/* Takes the key and value of an override; `shown` is its memory. */
static bool add(struct sim_plan *p, const char *key, const char *value,
                const char *where)
{
    if (p->overrides == SIM_OVERRIDES_MAX) {
        cli_fail(EXIT_USAGE, "at most %d keys can be set on a command line",
                 SIM_OVERRIDES_MAX);
        return false;
    }
    p->override[p->overrides++] = (struct scenario_override){key, value, where};
    return true;
}

static bool take_short(struct sim_plan *p, const struct cli *cli)
{
    for (size_t i = 0; i < SHORT_FORMS; i++) {
        const struct short_form *f = &short_forms[i];
        const char *typed = cli_value(cli, f->flag);
        char *value = p->shown[p->overrides];
        size_t len;

        if (typed == NULL)
            continue;
        len = strlen(typed);
        /* 5% and 60m are said as well as 5 and 60. */
        if (len > 0 && f->after[0] != '\0' && typed[len - 1] == f->after[0])
            len--;
        if (snprintf(value, SWEEP_VALUE_SIZE, "%s%.*s%s", f->before, (int)len,
                     typed, f->after) >= SWEEP_VALUE_SIZE) {
            cli_fail(EXIT_USAGE, "the value of %s is too long", f->flag);
            return false;
        }
        if (!add(p, f->key, value, f->flag))
            return false;
    }
    return true;
}

/* ---- --set and --sweep --------------------------------------------------- */

static bool take_set(struct sim_plan *p, char *text)
{
    char *equals = strchr(text, '=');
    char *name = p->shown[p->overrides < SIM_OVERRIDES_MAX ? p->overrides : 0];

    if (equals == NULL || equals == text || equals - text >= SWEEP_VALUE_SIZE) {
        cli_fail(EXIT_USAGE,
                 "--set %s must be SECTION.KEY=VALUE, like network.loss=5%%",
                 text);
        return false;
    }
    if (p->overrides < SIM_OVERRIDES_MAX)
        snprintf(name, SWEEP_VALUE_SIZE, "%.*s", (int)(equals - text), text);
    return add(p, name, equals + 1, "--set");
}

static bool take_sweep(struct sim_plan *p, const char *text)
{
    struct text why;
    bool taken;

    text_init(&why, WHY_LIMIT);
    taken = sweep_add(&p->sweep, text, &why) == OK;
    if (!taken)
        cli_fail(EXIT_USAGE, "--sweep: %s", text_get(&why));
    text_deinit(&why);
    return taken;
}

/* The value of `flag` when it stands at argv[*i], which moves to its last
 * word; else NULL. That there is one was checked by cli_parse. */
static char *value_at(const struct cli *cli, const char *flag, int *i)
{
    size_t len = strlen(flag);
    char *word = cli->argv[*i];

    if (word == NULL || strncmp(word, flag, len) != 0)
        return NULL;
    if (word[len] == '=')
        return word + len + 1;
    return word[len] == '\0' && *i + 1 < cli->argc ? cli->argv[++*i] : NULL;
}

static bool take_repeated(struct sim_plan *p, const struct cli *cli)
{
    bool right = true;

    for (int i = 0; i < cli->argc && right; i++) {
        char *value = value_at(cli, "--set", &i);

        if (value != NULL) {
            right = take_set(p, value);
            continue;
        }
        value = value_at(cli, "--sweep", &i);
        if (value != NULL)
            right = take_sweep(p, value);
    }
    return right;
}

/* ---- Which runs ---------------------------------------------------------- */

static bool take_part(struct sim_plan *p, const char *text)
{
    char *end = NULL;
    const char *slash = text == NULL ? NULL : strchr(text, '/');

    p->part = p->parts = 1;
    if (text == NULL)
        return true;
    if (slash != NULL && text[0] >= '1' && text[0] <= '9' && slash[1] >= '1' &&
        slash[1] <= '9') {
        p->part = strtoull(text, &end, 10);
        if (end == slash)
            p->parts = strtoull(slash + 1, &end, 10);
    }
    if (end != NULL && *end == '\0' && p->part <= p->parts)
        return true;
    cli_fail(EXIT_USAGE,
             "--part must be I/N with I from 1 to N, like 2/8, not '%s'", text);
    return false;
}

static bool take_repeat(struct sim_plan *p, const char *text)
{
    uint64_t n = 1;

    if (text != NULL &&
        !cli_read_number("--repeat", text, 1, SWEEP_REPEAT_MAX, &n))
        return false;
    p->sweep.repeat = (unsigned)n;
    return true;
}

static bool take_outputs(struct sim_plan *p, const struct cli *cli)
{
    p->csv = cli_value(cli, "--csv");
    p->plot = cli_value(cli, "--plot");
    p->save = cli_value(cli, "--save");
    if (p->parts == 1 || p->save != NULL)
        return true;
    cli_fail(EXIT_USAGE, "--part does a part of the runs: say with --save FILE "
                         "where its results go, for 'warren sim merge'");
    return false;
}

struct sim_plan *sim_plan_new(struct cli *cli)
{
    struct sim_plan *p = calloc(1, sizeof(*p));

    if (p == NULL) {
        cli_fail(EXIT_TROUBLE, "%s", error_text(ERR_NO_MEMORY));
        return NULL;
    }
    sweep_init(&p->sweep);
    p->file = cli->args[0];
    if (take_short(p, cli) && take_repeated(p, cli) &&
        take_repeat(p, cli_value(cli, "--repeat")) &&
        take_part(p, cli_value(cli, "--part")) && take_outputs(p, cli))
        return p;
    free(p);
    return NULL;
}

static bool is_bytes(const struct setting_key *keys, size_t count,
                     const char *section, const char *name)
{
    size_t len = (size_t)(name - section) - 1;

    for (size_t i = 0; i < count; i++) {
        if (strlen(keys[i].section) == len &&
            strncmp(keys[i].section, section, len) == 0 &&
            strcmp(keys[i].name, name) == 0)
            return keys[i].type == &setting_size ||
                   keys[i].type == &scenario_uplink;
    }
    return false;
}

bool sim_plan_is_bytes(const char *name)
{
    static const char variant[] = "variant.";
    const char *section = name, *dot = strrchr(name, '.');

    if (strncmp(section, variant, strlen(variant)) == 0 &&
        strchr(section + strlen(variant), '.') != NULL)
        section += strlen(variant);
    return dot != NULL &&
           (is_bytes(scenario_keys, scenario_keys_count, section, dot + 1) ||
            is_bytes(config_keys, config_keys_count, section, dot + 1));
}

/* ---- Scenarios ----------------------------------------------------------- */

/* The overrides of the command line, then those of the run's point. */
static enum error load(const struct sim_plan *p, struct sim_engines *engines,
                       uint64_t run, struct scenario *out, struct text *errors)
{
    struct scenario_override all[SIM_OVERRIDES_MAX + SWEEP_AXES_MAX];
    enum error err = sim_engines_init(engines);
    const char *value[SWEEP_AXES_MAX];
    unsigned count = p->overrides;

    if (err != OK)
        return err;
    memcpy(all, p->override, count * sizeof(all[0]));
    sweep_values(&p->sweep, run, value);
    for (unsigned i = 0; i < p->sweep.axes; i++)
        all[count++] = (struct scenario_override){p->sweep.axis[i].name,
                                                  value[i], "--sweep"};
    err = scenario_load(p->file, &engines->daemon, all, count, out, errors);
    if (err == OK)
        err = sim_engines_finish(engines, out, errors);
    return err;
}

enum error sim_plan_scenario(const struct sim_plan *p, uint64_t run,
                             struct scenario *out, struct text *errors)
{
    struct sim_engines *engines = malloc(sizeof(*engines));
    enum error err = ERR_NO_MEMORY;

    if (engines != NULL)
        err = load(p, engines, run, out, errors);
    if (err == OK)
        err = scenario_resolve(out, p->file);
    if (err == OK)
        out->run.seed += sweep_repetition(&p->sweep, run);
    free(engines);
    return err;
}

enum error sim_plan_hash(const struct sim_plan *p, char out[SCENARIO_HASH_SIZE],
                         struct text *why)
{
    struct sim_engines *engines = malloc(sizeof(*engines));
    struct scenario *s = malloc(sizeof(*s));
    enum error err = ERR_NO_MEMORY;
    struct text values;

    text_init(&values, VALUES_LIMIT);
    if (engines != NULL && s != NULL)
        err = load(p, engines, 0, s, why);
    if (err == OK) {
        scenario_print_values(s, &engines->daemon, &values);
        for (unsigned i = 0; i < p->sweep.axes; i++) {
            text_addf(&values, "sweep %s =", p->sweep.axis[i].name);
            for (unsigned k = 0; k < p->sweep.axis[i].count; k++)
                text_addf(&values, " %s,", p->sweep.axis[i].value[k]);
            text_add(&values, "\n");
        }
        /* Of what is written, not of where it stands here. */
        err = values.truncated ? ERR_NO_MEMORY : scenario_resolve(s, p->file);
    }
    if (err == OK)
        err = scenario_hash(s, text_get(&values), out, why);
    text_deinit(&values);
    free(engines);
    free(s);
    return err;
}
