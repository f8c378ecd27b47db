/* SPDX-License-Identifier: MIT
 *
 * `warren sim`: experiments on simulated networks. No daemon is asked.
 */
#include "base/plot/gnuplot.h"
#include "cli/show/say.h"
#include "cli/sim/sim_run.h"
#include "cli/sim/sim_show.h"
#include "cli/verb/verbs.h"
#include "sim/clockwork/pages.h"
#include "sim/saved/report_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_LIMIT (256 * 1024)
#define WHY_LIMIT     4096

static enum exit_code print_default(void)
{
    struct sim_engines *engines = malloc(sizeof(*engines));
    struct text out;

    if (engines == NULL || sim_engines_init(engines) != OK) {
        free(engines);
        return cli_fail(EXIT_TROUBLE, "%s", error_text(ERR_NO_MEMORY));
    }
    text_init(&out, DEFAULT_LIMIT);
    scenario_print_defaults(&engines->daemon, &out);
    fputs(text_get(&out), stdout);
    text_deinit(&out);
    free(engines);
    return EXIT_DONE;
}

/* ---- --list -------------------------------------------------------------- */

/* As one word of a shell. */
static void print_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "-_./=,:%@+";

    if (word[0] != '\0' && word[strspn(word, plain)] == '\0') {
        printf(" %s", word);
        return;
    }
    printf(" '");
    for (; *word != '\0'; word++)
        printf(*word == '\'' ? "'\\''" : "%c", *word);
    printf("'");
}

/* What this flag does is done once, by the merge; its value goes with it. */
static bool is_of_the_whole(const char *word, bool *value)
{
    static const struct {
        const char *flag;
        bool value;
    } flags[] = {{"--list", false}, {"--json", false}, {"--csv", true},
                 {"--plot", true},  {"--save", true},  {"--part", true}};

    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        size_t len = strlen(flags[i].flag);

        if (strncmp(word, flags[i].flag, len) != 0 ||
            (word[len] != '\0' && word[len] != '='))
            continue;
        *value = flags[i].value && word[len] == '\0';
        return true;
    }
    return false;
}

static enum exit_code print_list(const struct cli *cli,
                                 const struct sim_plan *p)
{
    uint64_t runs = sweep_runs(&p->sweep);

    for (uint64_t run = 1; run <= runs; run++) {
        printf("warren sim");
        for (int i = 0; i < cli->argc; i++) {
            bool value = false;

            if (is_of_the_whole(cli->argv[i], &value))
                i += value;
            else
                print_word(cli->argv[i]);
        }
        printf(" --part %" PRIu64 "/%" PRIu64 " --save run-%" PRIu64 ".sim\n",
               run, runs, run);
    }
    return EXIT_DONE;
}

/* ---- The runs ------------------------------------------------------------ */

/* Before hours of work. */
static enum exit_code check_plot(const char *plot)
{
    enum exit_code code = EXIT_DONE;
    struct text why;

    text_init(&why, WHY_LIMIT);
    if (plot != NULL && gnuplot_check(&why) != OK)
        code = cli_fail(EXIT_TROUBLE, "--plot: %s", text_get(&why));
    text_deinit(&why);
    return code;
}

static enum exit_code check(const struct sim_plan *p,
                            const struct sim_outputs *o)
{
    enum exit_code code = check_plot(p->plot);

    if (code == EXIT_DONE && p->parts > sweep_runs(&p->sweep) && p->parts > 1)
        code = cli_fail(EXIT_USAGE,
                        "--part: there are only %" PRIu64
                        " runs, so N can be at most that",
                        sweep_runs(&p->sweep));
    if (code == EXIT_DONE)
        code = sim_check(p);
    return code == EXIT_DONE ? sim_show_check(o) : code;
}

static enum exit_code do_runs(const struct cli *cli, const struct sim_plan *p)
{
    const struct sim_outputs o = {.json = cli->json,
                                  .csv = p->csv,
                                  .plot = p->plot,
                                  .save = p->save,
                                  .runs = sweep_runs(&p->sweep)};
    struct sim_results results = {0};
    enum exit_code shown = EXIT_DONE, code = check(p, &o);

    if (code != EXIT_DONE)
        return code;
    code = sim_do(p, &results);
    if (results.report.run_count > 0)
        shown = sim_show(&results.report, &o);
    sim_results_deinit(&results);
    return code != EXIT_DONE ? code : shown;
}

static enum exit_code sim(struct cli *cli)
{
    struct sim_plan *p;
    enum exit_code code;

    if (cli_value(cli, "--default") != NULL)
        return print_default();
    sim_pages_for_heap(); /* begins anew, so before anything is read */
    p = sim_plan_new(cli);
    if (p == NULL)
        return EXIT_USAGE;
    code = cli_value(cli, "--list") != NULL ? print_list(cli, p)
                                            : do_runs(cli, p);
    free(p);
    return code;
}

/* ---- merge --------------------------------------------------------------- */

static enum exit_code merge_files(struct report_files *f, char **paths,
                                  const struct sim_outputs *o)
{
    const struct report *r;
    enum error err = OK;
    uint64_t missing = 0;
    struct text why;
    enum exit_code code;

    text_init(&why, WHY_LIMIT);
    for (; *paths != NULL && err == OK; paths++)
        err = report_files_add(f, *paths, &why);
    r = err == OK ? report_files_get(f, &missing) : NULL;
    if (r == NULL)
        code = cli_say(
            err == ERR_SYNTAX || err == ERR_IN_USE ? EXIT_USAGE : EXIT_TROUBLE,
            error_name(err != OK ? err : ERR_NO_MEMORY),
            why.len > 0 ? text_get(&why) : error_text(ERR_NO_MEMORY));
    else
        code = sim_show(r, o);
    if (r != NULL && missing > 0)
        fprintf(stderr,
                "warren: %" PRIu64 " of the runs are in none of these files\n",
                missing);
    text_deinit(&why);
    return code;
}

static enum exit_code merge(struct cli *cli)
{
    const struct sim_outputs o = {.json = cli->json,
                                  .csv = cli_value(cli, "--csv"),
                                  .plot = cli_value(cli, "--plot")};
    struct report_files *f = report_files_new();
    enum exit_code code =
        f == NULL ? cli_fail(EXIT_TROUBLE, "%s", error_text(ERR_NO_MEMORY))
                  : merge_files(f, cli->program, &o);

    report_files_free(f);
    return code;
}

static const struct cli_option merge_options[] = {
    {"--json", NULL, "print one JSON object for programs"},
    {"--csv", "DIR", "write tables: one row a sample, and more"},
    {"--plot", "DIR", "draw pictures, each beside its script and data"},
    {NULL, NULL, NULL}};

const struct cli_verb cli_sim_verbs[] = {
    {"sim", "[SCENARIO]", 1, "simulate a network and measure it", sim_options,
     false, false, sim},
    {"sim merge", "FILES...", 1, "report on parts of a sweep together",
     merge_options, false, false, merge},
    {0}};
