/* SPDX-License-Identifier: MIT
 *
 * `warren crawl`: a walk through the whole network, by way of a node.
 */
#include "cli/ask/arguments.h"
#include "cli/crawl/crawl_show.h"
#include "cli/crawl/crawl_walk.h"
#include "cli/show/say.h"
#include "cli/verb/verbs.h"

#include <stdlib.h>

#define RATE_MAX 200 /* a second */

static const struct cli_option crawl_options[] = {
    {"--mainline", NULL,
     "through the mainline DHT, that of BitTorrent, which has millions of "
     "nodes: it ends after 50000 queries unless --queries says otherwise"},
    {"--rate", "N", "queries a second (20, at most 200)"},
    {"--queries", "N", "end after so many in all (when nobody is left to ask)"},
    {"--max-nodes", "N", "addresses to remember (1000000)"},
    {"--state", "FILE",
     "the record of it (crawl.state or crawl-mainline.state in the data "
     "directory)"},
    {"--resume", NULL, "go on from the record of a crawl that was ended"},
    {"--csv", "DIR", "write what was found as tables"},
    {"--plot", "DIR", "the same, and draw crawl.png, by gnuplot"},
    {0}};

static bool read_number(const struct cli *cli, const char *name, uint64_t max,
                        uint64_t *out)
{
    const char *text = cli_value(cli, name);

    return text == NULL || cli_read_number(name, text, 1, max, out);
}

static bool read_flags(const struct cli *cli, struct crawl_config *config)
{
    uint64_t rate = config->rate, nodes = config->max_nodes;

    if (!read_number(cli, "--rate", RATE_MAX, &rate) ||
        !read_number(cli, "--queries", UINT32_MAX, &config->max_queries) ||
        !read_number(cli, "--max-nodes", CRAWL_NODES_MAX, &nodes))
        return false;
    config->rate = (unsigned)rate;
    config->max_nodes = (unsigned)nodes;
    return true;
}

static enum exit_code show(const struct cli *cli, const struct crawl_walk *w)
{
    const char *csv = cli_value(cli, "--csv"), *plot = cli_value(cli, "--plot");
    struct crawl_findings *f = crawl_find(w);
    enum exit_code code = EXIT_DONE;

    if (f == NULL)
        return cli_fail(EXIT_TROUBLE, "there is not enough memory");
    if (cli->json)
        crawl_show_json(f);
    else
        crawl_show_page(f);
    if (!crawl_found_any(f))
        code = EXIT_UNANSWERED;
    if (csv != NULL && code == EXIT_DONE)
        code = crawl_write_csv(f, csv);
    if (plot != NULL && code == EXIT_DONE)
        code = crawl_plot(f, plot);
    crawl_findings_free(f);
    return code;
}

static enum exit_code walk(struct cli *cli, struct crawl_walk *w)
{
    enum exit_code code = crawl_walk_init(w, cli, cli_value(cli, "--state"),
                                          cli_value(cli, "--resume") != NULL);
    enum exit_code shown;

    if (code != EXIT_DONE)
        return code;
    code = crawl_walk_run(w);
    /* A walk that ends badly leaves what it had. */
    shown = code == EXIT_DONE || !cli->json ? show(cli, w) : EXIT_DONE;
    crawl_walk_deinit(w);
    return code != EXIT_DONE ? code : shown;
}

static enum exit_code crawl(struct cli *cli)
{
    struct crawl_walk *w;
    enum exit_code code;

    if (cli_value(cli, "--plot") != NULL && crawl_plot_check() != EXIT_DONE)
        return EXIT_TROUBLE;
    w = calloc(1, sizeof(*w));
    if (w == NULL)
        return cli_fail(EXIT_TROUBLE, "there is not enough memory");
    crawl_config_init(&w->config);
    code = read_flags(cli, &w->config) ? walk(cli, w) : EXIT_USAGE;
    free(w);
    return code;
}

const struct cli_verb cli_crawl_verbs[] = {
    {"crawl", "", 0, "walk through the whole network: who is there, how many",
     crawl_options, true, false, crawl},
    {0}};
