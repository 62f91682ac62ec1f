// erf and erfinv of float and double.
//
//   erf(x), |x| small:  x + x * p(x*x)
//           beyond:     1 - exp(-x*x) * q(u), u linear in |x|; |x| is cut where erf is 1
//   erfinv(x) = x * p(w), w = -log((1-x)(1+x)), in pieces of w, the outer ones polynomials in sqrt(w)
//
// Polynomials from tools/minimax.py; that of erfc is fitted to the absolute error, as 1 - erfc needs no more.
#pragma once

#include "melix/scalar/exponential.h"
#include "melix/scalar/logarithm.h"

namespace melix::fn {

MELIX_FN float erf(float x) {
  const float z = x * x;
  // erf_f32 2**-30.0
  const float small = x + x * horner(z, 0.12837917f, -0.3761263f, 0.11283626f, -0.02685574f, 0.005192461f,
                                     -8.0508145e-4f, 8.002834e-5f);
  float a = fabs(x);
  a = a > 4.0f ? 4.0f : a;
  const float u = (a - 2.45f) * 0.645161290f;
  // erfc_f32 2**-27.6, 0.9 <= a <= 4
  const float q = horner(u, 0.21458906f, -0.119188495f, 0.06278741f, -0.032444447f, 0.014077776f,
                         -0.0058773416f, 0.009988652f, 0.006907978f, 0.0044864337f);
  const float large = 1.0f - exp(-a * a) * q;
  return fabs(x) < 0.95f ? small : xorsign(large, x);
}

MELIX_FN double erf(double x) {
  const double z = x * x;
  // erf_f64 2**-56.3
  const double small =
      x + x * horner(z, 0.1283791670955126, -0.376126389031843, 0.11283791670994936, -0.02686617065662608,
                     0.0052239777995452645, -0.0008548342923940391, 0.00012056281665391588,
                     -1.4964486522397308e-5, 1.7585849271225738e-6, -3.971336165185145e-7,
                     3.6442433833661517e-7, -3.752507801779595e-7, 2.788721698812257e-7,
                     -1.375064451258565e-7, 4.0329824419307356e-8, -5.324978693464892e-9);
  double a = fabs(x);
  a = a > 6.0 ? 6.0 : a;
  const double u = (a - 3.5) * 0.4;
  // erfc_f64 2**-60.9, 1 <= a <= 6
  const double q =
      horner(u, 0.15529365560896452, -0.10330894458368947, 0.0666320824036334, -0.041766788576780574,
             0.025495560174261647, -0.015182485074440479, 0.008833548918928597, -0.005028079447844243,
             0.002801346808936433, -0.0015390792931150575, 0.0008196194075182835, -0.00039731396800628277,
             0.0003238966839196549, -4.404356933687282e-5, -0.00011613095917116829, -0.0005107784903706067,
             -0.00043477970864776606, 5.399622036489269e-5, 0.0006097338636170155, 0.0007097462285105798,
             0.00043437277543394604, 0.00014487240334791777, 2.177202705224413e-5);
  const double large = 1.0 - exp(-a * a) * q;
  return fabs(x) < 1.0 ? small : xorsign(large, x);
}

/// 1 - |x| is exact where it matters; infinite at 1, NaN beyond.
template <class T>
MELIX_FN T erfinv_special(T x, T result) {
  const T a = fabs(x);
  result = a == T(1) ? xorsign(infinity<T>(), x) : result;
  return a > T(1) ? nan<T>() : result;
}

MELIX_FN float erfinv(float x) {
  const float a = fabs(x);
  const float w = -log((1.0f - a) * (1.0f + a));
  const bool centre = w < 5.0f;
  const float t = centre ? w - 2.5f : hw_sqrt(w) - 3.0f;
  // erfinv_f32_centre 2**-24.6, erfinv_f32_tail 2**-25.7
  const float p = horner(t, centre ? 1.5014094f : 2.8329768f, centre ? 0.24664028f : 1.0016748f,
                         centre ? -0.004177669f : 0.009444309f, centre ? -0.0012527558f : -0.00763429f,
                         centre ? 2.1857797e-4f : 0.0056949053f, centre ? -4.9432424e-6f : -0.0036107204f,
                         centre ? -3.5238731e-6f : 0.0014655426f, centre ? 4.5987488e-7f : -3.2868604e-5f,
                         centre ? 2.8207669e-8f : -2.9486974e-4f, centre ? -8.2303195e-9f : 1.0026931e-4f);
  return erfinv_special(x, x * p);
}

MELIX_FN double erfinv(double x) {
  const double a = fabs(x);
  const double w = -log((1.0 - a) * (1.0 + a)), root = hw_sqrt(w);
  const bool centre = w < 6.25, middle = w < 16.0;
  const double t = centre ? w - 3.125 : middle ? root - 3.25 : root - 5.0;
  // erfinv_f64_centre 2**-55.5, erfinv_f64_middle 2**-55.0, erfinv_f64_tail 2**-55.4
  const double p = horner(t,
                          centre   ? 1.6536545626831027
                          : middle ? 3.0838856104922208
                                   : 4.849906401408584,
                          centre   ? 0.24015818242558826
                          : middle ? 1.005258967694165
                                   : 1.0103004648645457,
                          centre   ? -0.006033670871427664
                          : middle ? 0.005370914553524186
                                   : -0.00013871931838729123,
                          centre   ? -0.0007407025341539214
                          : middle ? -0.003751208508185661
                                   : -0.00021503011983589523,
                          centre   ? 0.00018673420802399105
                          : middle ? 0.0024914420997588153
                                   : 7.59952781777311e-5,
                          centre   ? -1.3882523395846019e-5
                          : middle ? -0.0016882755366378088
                                   : -1.9681770644751535e-5,
                          centre   ? -1.3654691840927462e-6
                          : middle ? 0.0009532893007570389
                                   : 4.5260524354033e-6,
                          centre   ? 4.2347881912911316e-7
                          : middle ? -0.00035503779735276936
                                   : -9.93029537022225e-7,
                          centre   ? -2.9070383015533742e-8
                          : middle ? 2.403198251054438e-5
                                   : 2.2905068898180323e-7,
                          centre   ? -4.112662008635701e-9
                          : middle ? 6.828699446643803e-5
                                   : -6.755613330346986e-8,
                          centre   ? 1.0512185010559353e-9
                          : middle ? -4.7323783917800554e-5
                                   : 2.90300565713263e-8,
                          centre   ? -5.414237782005643e-11
                          : middle ? 1.2465567983708198e-5
                                   : -1.525452060912133e-8,
                          centre   ? -1.2976986289963018e-11
                          : middle ? 2.9450612083064886e-6
                                   : 7.795689712698757e-9,
                          centre   ? 2.6303513727256184e-12
                          : middle ? -3.987137288251525e-6
                                   : -3.472548838017415e-9,
                          centre   ? -8.116508867672738e-14
                          : middle ? 1.4505220178493196e-6
                                   : 1.3460493819263374e-9,
                          centre   ? -3.998921310352045e-14
                          : middle ? -2.5363253807141376e-8
                                   : -4.3653031225069385e-10,
                          centre   ? 6.594119301977557e-15
                          : middle ? -1.9874811805392662e-7
                                   : 5.1735842615521454e-11,
                          centre   ? -4.293156559145785e-17
                          : middle ? 1.2964728894606003e-7
                                   : 4.2550757313237596e-11,
                          centre   ? -1.2999676420855548e-16
                          : middle ? -5.985172048631087e-8
                                   : -1.613127368346238e-11,
                          centre   ? 1.576464120804481e-17
                          : middle ? -1.4603406089600094e-8
                                   : 0.0,
                          centre   ? 1.1426565897396629e-18
                          : middle ? 2.1462972083614956e-8
                                   : 0.0,
                          centre   ? -3.577547836856433e-19
                          : middle ? 0.0
                                   : 0.0,
                          centre   ? -9.774592281476826e-22
                          : middle ? 0.0
                                   : 0.0,
                          centre   ? 3.3795066002262077e-21
                          : middle ? 0.0
                                   : 0.0);
  return erfinv_special(x, x * p);
}

}  // namespace melix::fn
