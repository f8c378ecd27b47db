/* SPDX-License-Identifier: MIT
 *
 * Matrices of latencies and places of nodes: what they say, and every mistake.
 */
#include "sim/path/regions.h"

#include "base/timestamp.h"
#include "sim/chance/rng.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fail_alloc.h"

#define MATRIX          \
    "from,eu,us,asia\n" \
    "eu,8,45,110\n"     \
    "us,45.5,12,80\n"   \
    "asia,110,80,0.000001\n"

static struct regions regions;
static struct text why;
static char buf[4096];

static int setup(void **state)
{
    (void)state;
    text_init(&why, 1000);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    regions_deinit(&regions);
    text_deinit(&why);
    return 0;
}

static enum error parse(const char *text)
{
    text_clear(&why);
    regions_deinit(&regions);
    memcpy(buf, text, strlen(text) + 1);
    return regions_parse(&regions, "m.csv", buf, strlen(text), &why);
}

static enum error places(const char *text)
{
    enum error err = parse(MATRIX);

    if (err != OK)
        return err;
    memcpy(buf, text, strlen(text) + 1);
    return regions_parse_places(&regions, "p.csv", buf, strlen(text), &why);
}

static void test_regions_matrix_is_from_row_to_column(void **state)
{
    (void)state;
    assert_int_equal(parse(MATRIX), OK);
    assert_int_equal(regions.count, 3);
    assert_string_equal(regions.names[2], "asia");
    assert_int_equal(regions_delay(&regions, 0, 1), 45 * TIME_MS);
    assert_int_equal(regions_delay(&regions, 1, 0), 45500 * TIME_US);
    assert_int_equal(regions_delay(&regions, 2, 2), 1);
    assert_int_equal(regions_least(&regions), 1);
}

static void test_regions_matrix_mistakes_are_named(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "m.csv:0: the first line must name regions: from,eu,us"},
        {"from\n", "m.csv:1: the first line must name regions: from,eu,us"},
        {"from,eu,\n", "m.csv:1: the name of a region must have 1 to 31 bytes"},
        {"from,a,b,a\n", "m.csv:1: region 'a' stands twice"},
        {"from,a,b\na,1,2\n", "m.csv:2: there is no row of region 'b'"},
        {"from,a\na,1\nb,2\n",
         "m.csv:3: more rows than regions in the first line"},
        {"from,a,b\nb,1,2\n",
         "m.csv:2: 'b' must be 'a': rows are in the order of the first line"},
        {"from,a,b\na,1\n", "m.csv:2: 1 times, but there are 2 regions"},
        {"from,a,b\na,1,x\n",
         "m.csv:2: a time in ms is 'x' but must be a number from 0 to 4000 "
         "with at most 6 digits behind the point"},
        {"from,a\na,0\n", "m.csv:2: a time in ms must be more than 0"},
        {"from,a\na,4000.000001\n",
         "m.csv:2: a time in ms is '4000.000001' but must be a number from 0 "
         "to 4000 with at most 6 digits behind the point"},
        {"from,a\na,-1\n",
         "m.csv:2: a time in ms is '-1' but must be a number from 0 to 4000 "
         "with at most 6 digits behind the point"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(parse(rows[i].text), ERR_SYNTAX);
        assert_string_equal(text_get(&why), rows[i].why);
        assert_int_equal(regions.count, 0);
        assert_null(regions.delays);
    }
}

/* Of 30,000 nodes, how many are in each region. */
static void count_nodes(unsigned in[3])
{
    struct sim_rng r;

    sim_rng_init(&r, 1, 1);
    memset(in, 0, 3 * sizeof(in[0]));
    for (uint32_t i = 0; i < 30000; i++)
        in[regions_of_node(&regions, i, sim_rng_next(&r))]++;
}

static void test_regions_places_follow_shares(void **state)
{
    unsigned in[3];

    (void)state;
    assert_int_equal(parse(MATRIX), OK);
    count_nodes(in);
    for (int i = 0; i < 3; i++)
        assert_in_range(in[i], 9700, 10300);
    assert_int_equal(places("region,share\nasia,0.75\neu,.25\n"), OK);
    count_nodes(in);
    assert_in_range(in[0], 7200, 7800);
    assert_int_equal(in[1], 0);
    assert_in_range(in[2], 22200, 22800);
    assert_int_equal(places("us,1000000\n"), OK);
    count_nodes(in);
    assert_int_equal(in[1], 30000);
}

static void test_regions_places_node_by_node(void **state)
{
    (void)state;
    assert_int_equal(places("node,region\n0,eu\n1,asia\n2,asia\n"), OK);
    assert_int_equal(regions_of_node(&regions, 0, 77), 0);
    assert_int_equal(regions_of_node(&regions, 1, 77), 2);
    assert_int_equal(regions_of_node(&regions, 2, 77), 2);
    assert_int_equal(regions_of_node(&regions, 3, 77), 0);
    assert_int_equal(regions_of_node(&regions, 3000001, 77), 2);
}

static void test_regions_places_mistakes_are_named(void **state)
{
    static const struct {
        const char *text, *why;
    } rows[] = {
        {"", "p.csv:0: nobody is anywhere"},
        {"region,share\n", "p.csv:1: nobody is anywhere"},
        {"eu\n", "p.csv:1: a line must be region,share or node,region"},
        {"mars,1\n", "p.csv:1: 'mars' is no region of the matrix"},
        {"0,eu\n", "p.csv:1: '0' is no region of the matrix"},
        {"eu,0\n", "p.csv:1: a share must be more than 0"},
        {"eu,1\neu,1\n", "p.csv:2: region 'eu' stands twice"},
        {"eu,30%\n", "p.csv:1: a share is '30%' but must be a number from 0 to "
                     "1000000 with at most 6 digits behind the point"},
        {"node,region\n1,eu\n",
         "p.csv:2: node 1 must be 0: all, in their order"},
        {"node,region\n0,eu\n2,eu\n",
         "p.csv:3: node 2 must be 1: all, in their order"},
        {"node,region\n0,mars\n", "p.csv:2: 'mars' is no region of the matrix"},
        {"eu,1\nregion,share\n",
         "p.csv:2: 'region' is no region of the matrix"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(places(rows[i].text), ERR_SYNTAX);
        assert_string_equal(text_get(&why), rows[i].why);
        assert_int_equal(regions.count, 0);
    }
}

static void test_regions_survive_without_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        enum error err;

        fail_alloc_at(n);
        err = places("node,region\n0,eu\n");
        if (!fail_alloc_end())
            break;
        assert_true(err == OK || err == ERR_NO_MEMORY);
        assert_int_equal(regions.count, err == OK ? 3 : 0);
    }
    assert_int_equal(regions_load_places(&regions, "/nowhere", &why), ERR_IO);
    assert_int_equal(regions.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regions_matrix_is_from_row_to_column),
        cmocka_unit_test(test_regions_matrix_mistakes_are_named),
        cmocka_unit_test(test_regions_places_follow_shares),
        cmocka_unit_test(test_regions_places_node_by_node),
        cmocka_unit_test(test_regions_places_mistakes_are_named),
        cmocka_unit_test(test_regions_survive_without_memory),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
