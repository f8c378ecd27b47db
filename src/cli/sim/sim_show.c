/* SPDX-License-Identifier: MIT */
#include "cli/sim/sim_show.h"

#include "cli/show/say.h"
#include "sim/plot/report_plot.h"
#include "sim/saved/report_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUTPUT_LIMIT ((size_t)256 * 1024 * 1024)
#define WHY_LIMIT    4096

/* Whether all of it was printed: half a JSON object is worse than none. */
static bool print(const struct report *r, bool json)
{
    struct text out;
    bool whole;

    text_init(&out, OUTPUT_LIMIT);
    if (json)
        report_json(r, &out);
    else
        report_summary(r, &out);
    whole = !out.truncated;
    if (whole)
        fputs(text_get(&out), stdout);
    text_deinit(&out);
    return whole;
}

static bool can_write(const char *dir, struct text *why)
{
    if (dir == NULL)
        return true;
    if (report_make_dir(dir, why) != OK)
        return false;
    if (access(dir, W_OK | X_OK) == 0)
        return true;
    text_addf(why, "%s: %s", dir, strerror(errno));
    return false;
}

static bool can_save(const char *path, struct text *why)
{
    struct text fresh;
    FILE *f;

    if (path == NULL)
        return true;
    text_init(&fresh, WHY_LIMIT);
    text_addf(&fresh, "%s.new", path);
    f = fopen(text_get(&fresh), "we");
    if (f == NULL)
        text_addf(why, "%s: %s", path, strerror(errno));
    else
        fclose(f);
    unlink(text_get(&fresh));
    text_deinit(&fresh);
    return f != NULL;
}

enum exit_code sim_show_check(const struct sim_outputs *o)
{
    enum exit_code code = EXIT_DONE;
    struct text why;

    text_init(&why, WHY_LIMIT);
    if (!can_write(o->csv, &why) || !can_write(o->plot, &why) ||
        !can_save(o->save, &why))
        code = cli_fail(EXIT_TROUBLE, "%s", text_get(&why));
    text_deinit(&why);
    return code;
}

/* The first thing that goes wrong does not keep the others from being tried:
 * hours of work may be behind these results. */
enum exit_code sim_show(const struct report *r, const struct sim_outputs *o)
{
    enum exit_code code = EXIT_DONE;
    struct text why;

    text_init(&why, WHY_LIMIT);
    if (!print(r, o->json)) {
        text_add(&why, "the report is too large to be printed; use --csv\n");
        code = EXIT_TROUBLE;
    }
    if (o->save != NULL && report_save(r, o->runs, o->save, &why) != OK)
        code = EXIT_TROUBLE;
    if (o->csv != NULL && report_csv(r, o->csv, &why) != OK)
        code = EXIT_TROUBLE;
    if (o->plot != NULL && report_plot(r, o->plot, &why) != OK)
        code = EXIT_TROUBLE;
    if (code != EXIT_DONE)
        cli_fail(code, "%s", text_get(&why));
    text_deinit(&why);
    return code;
}
