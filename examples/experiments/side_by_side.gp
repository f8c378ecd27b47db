# SPDX-License-Identifier: MIT
#
# Two experiments in one picture, out of their tables (docs/experiments-files.md):
#
#   gnuplot -c side_by_side.gp SIMULATED CONTAINERS PICTURE.png
#
# The arguments are directories that `warren sim --csv` or docker/experiment.sh
# has written. Lines are of the one, dots of the other: where these lie upon
# those, both agree.

if (ARGC != 3) { print "gnuplot -c side_by_side.gp DIR DIR PICTURE.png"; exit status 2 }

set terminal pngcairo size 1200,840 font "sans,11" background "white"
set output ARG3
set datafile separator ","
set datafile missing ""
unset key
set grid lc rgb "#dddddd"
set border 3
set tics nomirror

name(dir) = system("basename -- '".dir."'")
# A distribution as a table of values and shares, from where it is 0. Columns
# are counted from the end, as a sweep has more of them.
share_of(measure, dir) = sprintf("< awk -F, '$(NF-3) == \"%s\" { \
    if (!n++) print $(NF-2) \",0\"; print $(NF-2) \",\" $NF }' '%s/values.csv'", \
    measure, dir)

# Of the axis: a little more than the most of both.
end_of(measure) = real(system(sprintf("awk -F, '$(NF-3) == \"%s\" && $(NF-2) + 0 > m \
    { m = $(NF-2) + 0 } END { print m ? 1.05 * m : 1 }' '%s/values.csv' \
    '%s/values.csv'", measure, ARG1, ARG2)))

set multiplot layout 2,2 title \
    sprintf("%s (lines) and %s (dots)", name(ARG1), name(ARG2)) font "sans,14" noenhanced

set yrange [0:1.03]
set ylabel "share of lookups that need no more"
do for [i = 1:3] {
    measure = word("lookup_hops lookup_messages lookup_time", i)
    set title word("Hops Queries Time", i)." of a lookup"
    set xlabel word("hops queries seconds", i)
    if (i == 1) { set xtics 1 } else { set xtics auto }
    set xrange [0:end_of(measure)]
    plot share_of(measure, ARG1) using 1:2 with steps lw 2 \
             lc rgb "#1f77b4", \
         share_of(measure, ARG2) using 1:($2 > 0 ? $2 : NaN) with points \
             pt 7 ps 0.8 lc rgb "#d62728"
}

set title "Lookups that succeed"
set xrange [0:*]
set xlabel "seconds since the warm-up"
set ylabel "share"
set xtics auto
plot ARG1."/samples.csv" using "time":"lookup_success" with lines lw 2 \
         lc rgb "#1f77b4", \
     ARG2."/samples.csv" using "time":"lookup_success" with points pt 7 ps 0.8 \
         lc rgb "#d62728"
unset multiplot
