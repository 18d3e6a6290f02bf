"""The words that chassis/text.py knows: families whose forms no rule brings together, or which a rule would take apart.

A family ends at a bar or at the end of its line; its first form is its token. Sound plurals, duals, feminines,
articles, prepositions and pronouns need no entry. A word is also here when its first letter looks like an attached
"and", "in" or "for" (وزارة, بحث, لغة), or when it is one ending away from another word (كتابة from كتاب, رياضيات from
رياض). Forms are written as one would write them; the analyser normalises them. Chosen by us from what an education
network speaks about; a synonym is no form.
"""

ARABIC = """
مدرسة مدارس مدرسي | مدرس مدرسات | معلم | تعليم | تعلم | علم علوم | عالم علماء | معلومة | معرفة معارف | محو | أمية
كتاب كتب | كتابة كتابات | كاتب كتبة | مكتبة | مكتب مكاتب | كتيب | طالب طلاب طلبة | طلب طلبات | تلميذ تلاميذ تلامذة
طفل أطفال | ورشة ورش | درس دروس | دراسة | تدريس | تدريب | منهج مناهج منهاج | صف صفوف صفي | فصل فصول | شعبة شعب
قرية قرى | مدينة مدن | بلدة | بلد بلدان بلاد | بلدية | حي أحياء | ريف أرياف | منطقة مناطق | ناحية نواح نواحي
محافظة | محافظ | إقليم أقاليم | سهل سهول | جبل جبال | نهر أنهار | مخيم | طريق طرق | طريقة طرائق | شارع شوارع
مركز مراكز | معهد معاهد | جامعة | كلية | روضة رياض روضات | رياضة رياضي | رياضيات | حضانة | حديقة حدائق
ملعب ملاعب | متحف متاحف | مسرح مسارح | معرض معارض | معمل معامل | مخبر مخابر مختبر | مصنع مصانع | مزرعة مزارع
حقيبة حقائب | مقعد مقاعد | كرسي كراسي | لوح ألواح لوحة لوحات | قلم أقلام | دفتر دفاتر | ورق أوراق ورقة
جهاز أجهزة | حاسوب حواسيب | هاتف هواتف | خزان | خزانة خزائن | رف رفوف | مدفأة مدافئ | مروحة مراوح | باص | حافلة
خيمة خيام خيم | غرفة غرف | جدار جدران | سقف أسقف سقوف | نافذة نوافذ | باب أبواب | بيت بيوت | منزل منازل
مبنى مبان مباني أبنية | بناء | بئر آبار | ماء مياه | مرحاض مراحيض | شمس شمسي | كهرباء كهربائي | لباس ألبسة
برنامج برامج | مشروع مشاريع | خطة خطط | نشاط أنشطة | فكرة أفكار | هدف أهداف | حاجة | احتياج | عرض عروض | مبادرة
حملة | رحلة | زيارة | زائر زوار | لقاء | ندوة | مؤتمر | دورة | دور أدوار | اجتماع | اجتماعي | حفل | مجلس مجالس
لجنة لجان | فريق فرق | قسم أقسام | فرع فروع | مؤسسة | منظمة | جمعية | هيئة | شركة | شريك شركاء | مانح | وزارة
وزير وزراء | وكالة | دولة دول | قانون قوانين | حق حقوق | شرط شروط | عقد عقود | سياسة | قضية قضايا
امتحان | سؤال أسئلة | جواب أجوبة | تمرين تمارين | نتيجة نتائج | درجة | شهادة | شاهد شهود | مرحلة مراحل | مستوى
دليل أدلة | تقرير تقارير | بحث بحوث أبحاث | باحث | مقال | مقياس مقاييس | معيار معايير | مؤشر | جدول جداول
خريطة خرائط | صورة صور | رسم رسوم رسومات | قصة قصص | لعبة ألعاب لعب | كلمة | حرف حروف أحرف | حرفة | نص نصوص
رسالة رسائل | خبر أخبار | صحيفة صحف | عنوان عناوين | قاموس قواميس | تجربة تجارب | أداة أدوات | أسلوب أساليب
مورد موارد | مصدر مصادر | مادة مواد | موضوع مواضيع | محور محاور | عنصر عناصر | مشكلة مشاكل | حل حلول | حالة
منحة منح | مال أموال | كلفة | تكلفة تكاليف | سعر أسعار | عدد أعداد | رقم أرقام | نسبة نسب | نوع أنواع | شكل أشكال
يوم أيام | أسبوع أسابيع | شهر أشهر شهور | سنة سنوات سنين سنوي | عام أعوام | تاريخ تواريخ | صيف | شتاء شتوي
شخص أشخاص | شخصية | إنسان ناس أناس | ولد أولاد | بنت بنات | ابن أبناء | فتاة فتيات | فتى فتيان | شاب شباب شبان
امرأة نساء | رجل رجال | والد والدة | أم أمهات | أب آباء | أهل أهالي أهال | أسرة أسر | عائلة عوائل | يتيم أيتام
خبير خبراء | خبرة | مدير مدراء | إدارة | أستاذ أساتذة | كادر كوادر | طبيب أطباء | مريض مرضى | مرض أمراض
عامل عمال | عمل أعمال | رئيس رؤساء | عضو أعضاء | فرد أفراد | زميل زملاء | صديق أصدقاء | مسؤول مسئول | متطوع
مرشد | نازح | لاجئ | فقير فقراء | أجنبي أجانب | كبير كبار | صغير صغار | بالغ | ذكر ذكور | أنثى إناث
صحة صحي | دواء أدوية | طعام أطعمة | غذاء أغذية | سن أسنان | نفس | حرب حروب | أزمة | زلزال زلازل | كارثة كوارث
طارئ طوارئ | لغم ألغام | خطر أخطار مخاطر | أثر آثار | لغة لغوي | عربي عرب | كردي كرد أكراد | تركي أتراك
سوري سوريا | إنكليزي إنجليزي | إلكتروني إلكترونيات | إنترنت | تربية تربوي | فن فنون فني | دين أديان
مهنة مهن | مهارة | لون ألوان | قيمة قيم | موقع مواقع | شبكة | بيان بيانات | بطاقة | طاقة | كرة | لوازم | فرصة فرص
وظيفة وظائف | موظف | وسيلة وسائل | وثيقة وثائق | واجب | واقع | وجبة | وجود | وحدة | وزن أوزان | وسط | وصف
وصول | وضع أوضاع | وطن أوطان | وعي | وفد وفود | وقت أوقات | ولاية | ولي أولياء | شيء شئ أشياء
"""

# Irregular plurals, and the British spellings that Snowball's stemmer takes for other words.
ENGLISH = """
child children | woman women | man men | person people | curriculum curricula | criterion criteria | syllabus syllabi
thesis theses | analysis analyses | foot feet | tooth teeth | leaf leaves | life lives | mouse mice
center centers centre centres | program programs programme programmes | behavior behaviors behaviour behaviours
organization organizations organisation organisations | organize organizes organized organise organises organised
color colors colour colours | labor labour | enrollment enrollments enrolment enrolments
license licenses licence licences | counseling counselling | specialize specialized specialise specialised
"""

# Words that no search is about. Not على, which is also the name علي once it is folded. What stands alone before a word
# in Latin letters (الـPDF, بـIdlib) or behind a year (٢٠٢٦م) is here as well.
FUNCTION = """
في من إلى عن مع أو ثم و ف ب ك ل م ال وال بال لل a an and at by for from in of on or the to with
"""
